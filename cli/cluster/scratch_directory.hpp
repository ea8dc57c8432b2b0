// A directory of our own that is gone when we are.
//
// Purpose: the tour keeps segments, logs and configuration of its nodes in one
// fresh directory. What a killed run left behind is found and removed by the
// next one.
//
// Ownership and threads: owns the directory and a lock on the file "lock" in
// it; one thread.
//
// Invariants:
//  1. The directory is new, ours, and mode 0700.
//  2. Only directories whose lock nobody holds count as left behind, and only
//     those with our prefix that belong to us.
//
// Failure behaviour: `bad_path` with the reason of the system.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::cli {

class scratch_directory {
public:
  /// Makes "<parent>/<prefix>XXXXXX".
  static expected<scratch_directory> make(const std::string& parent,
                                          const std::string& prefix);

  scratch_directory(scratch_directory&& other) noexcept;
  scratch_directory& operator=(scratch_directory&& other) noexcept;
  ~scratch_directory();

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

  /// Leaves the directory behind, for a look at it after a failure.
  void keep() noexcept {
    kept_ = true;
  }

private:
  scratch_directory(std::string path, int lock) noexcept
    : path_{std::move(path)}, lock_{lock} {
  }

  void remove() noexcept;

  std::string path_;
  int lock_ = -1;
  bool kept_ = false;
};

/// Removes the directories "<parent>/<prefix>*" that killed runs left; answers
/// how many.
std::size_t remove_left_behind(const std::string& parent,
                               const std::string& prefix);

/// "/dev/shm" when it is there, writable and has `bytes` free; else the
/// directory for temporary files (TMPDIR or /tmp). `no_space` when neither has.
[[nodiscard]] expected<std::string> parent_with_space(std::uint64_t bytes);

} // namespace neuroplex::cli
