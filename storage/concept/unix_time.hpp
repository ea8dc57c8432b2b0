// Time as concepts store it. Threads: all.
#pragma once

#include <chrono>
#include <cstdint>

namespace neuroplex::concepts {

/// Unix time in microseconds.
inline std::int64_t unix_time_us() noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

} // namespace neuroplex::concepts
