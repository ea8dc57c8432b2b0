// The clock of the message plane, in one place.
#pragma once

#include <chrono>
#include <cstdint>

namespace neuroplex::actors {

/// Unix time in milliseconds, the unit of all deadlines.
[[nodiscard]] inline std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
    .count();
}

} // namespace neuroplex::actors
