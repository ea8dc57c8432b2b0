// A segment of its own for a test, gone with it.
#pragma once

#include "memory/store.hpp"

#include <atomic>
#include <string>

#include <unistd.h>

namespace neuroplex::resp::testing {

inline memory::store make_store(std::uint64_t segment_bytes = 8U << 20) {
  static std::atomic<int> number{0};
  auto path = "/dev/shm/neuroplex-resp-unit-" + std::to_string(getpid()) + "-"
              + std::to_string(number++);
  memory::segment_options options;
  options.segment_bytes = segment_bytes;
  options.huge_pages = false;
  auto made = memory::store::create(path, options);
  NEUROPLEX_ENSURE(made);
  // The mapping stays; the name is not needed any more.
  NEUROPLEX_ENSURE(memory::store::remove(path));
  return std::move(*made);
}

} // namespace neuroplex::resp::testing
