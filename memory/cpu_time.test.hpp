// How tests see that threads wait without spinning.
#pragma once

#include <sys/resource.h>

namespace neuroplex::memory::testing {

/// Seconds of CPU that all threads of this process but the calling one, which
/// may spin in `eventually`, have used so far.
inline double cpu_seconds_of_others() {
  auto used = [](int whose) {
    rusage usage{};
    ::getrusage(whose, &usage);
    auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec)
             + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  };
  return used(RUSAGE_SELF) - used(RUSAGE_THREAD);
}

} // namespace neuroplex::memory::testing
