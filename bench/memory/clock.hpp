// Clocks of the benchmarks.
//
// Purpose: `thread_cpu_ns` times batches of operations: it stands still while
// the scheduler runs somebody else, so a busy machine disturbs less. `ticks`
// times single events; what reading it costs is measured and taken off.
//
// Threads: no shared state.
#pragma once

#include <cstdint>
#include <ctime>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace neuroplex::bench {

inline double clock_ns(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9
         + static_cast<double>(now.tv_nsec);
}

inline double wall_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}

inline double thread_cpu_ns() noexcept {
  return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/// A fine clock, read after all that comes before it is done.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  unsigned ignored = 0;
  auto now = __rdtscp(&ignored);
  _mm_lfence();
  return now;
#else
  return static_cast<std::uint64_t>(wall_ns());
#endif
}

/// How `ticks` relates to time, and what one reading costs.
struct tick_scale {
  double ns_per_tick = 1;
  double cost_ticks = 0;

  [[nodiscard]] double ns(std::uint64_t begin,
                          std::uint64_t end) const noexcept {
    auto raw = static_cast<double>(end - begin) - cost_ticks;
    return raw > 0 ? raw * ns_per_tick : 0;
  }
};

/// Takes about 50 ms.
tick_scale measure_ticks();

} // namespace neuroplex::bench
