// Time as entries store it. Threads: all.
#pragma once

#include <chrono>
#include <cstdint>

namespace neuroplex::memory {

/// Unix time in milliseconds; expiry survives restarts.
inline std::int64_t unix_time_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

} // namespace neuroplex::memory
