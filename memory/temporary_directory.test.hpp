// Where tests put files and segments.
#pragma once

#include "memory/status.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace neuroplex::memory::testing {

/// A directory in memory that is removed at the end, with all that is in it.
class temporary_directory {
public:
  temporary_directory() {
    std::string pattern = "/dev/shm/neuroplex-test-XXXXXX";
    NEUROPLEX_ENSURE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }

  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const {
    return path_;
  }

private:
  std::filesystem::path path_;
};

} // namespace neuroplex::memory::testing
