// A segment of its own for one test, removed with it.
#pragma once

#include "memory/store.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>

namespace neuroplex::actors {

class test_segment {
public:
  test_segment() : path_{unique_path()} {
    memory::segment_options options;
    options.segment_bytes = std::uint64_t{32} << 20;
    options.huge_pages = false;
    auto made = memory::store::create(path_, options);
    if (!made)
      FAIL(made.error().to_string());
    store_.emplace(std::move(*made));
  }

  test_segment(const test_segment&) = delete;
  test_segment& operator=(const test_segment&) = delete;

  ~test_segment() {
    store_.reset();
    static_cast<void>(memory::store::remove(path_));
  }

  memory::store& store() {
    return *store_;
  }

private:
  static std::string unique_path() {
    static std::atomic<int> number{0};
    return "/dev/shm/neuroplex-unit-" + std::to_string(::getpid()) + "-"
           + std::to_string(number++);
  }

  std::string path_;
  std::optional<memory::store> store_;
};

} // namespace neuroplex::actors
