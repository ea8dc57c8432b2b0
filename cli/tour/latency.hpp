// Durations of many single operations, and what is said of them.
//
// Purpose: p50, p99 and the worst of samples taken with a clock whose own cost
// is measured and taken off.
//
// Ownership and threads: plain values, one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace neuroplex::cli {

struct latency_summary {
  std::uint64_t samples = 0;
  double p50_ns = 0;
  double p99_ns = 0;
  double worst_ns = 0;
};

class latency_samples {
public:
  explicit latency_samples(std::size_t expected_count = 0) {
    nanoseconds_.reserve(expected_count);
  }

  void add(std::chrono::nanoseconds duration) {
    nanoseconds_.push_back(duration.count());
  }

  void append(const latency_samples& other) {
    nanoseconds_.insert(nanoseconds_.end(), other.nanoseconds_.begin(),
                        other.nanoseconds_.end());
  }

  /// Percentiles by nearest rank, each less `clock_cost`, not below zero. All
  /// zero without samples. Sorts the samples.
  [[nodiscard]] latency_summary
  summary(std::chrono::nanoseconds clock_cost = {});

private:
  std::vector<std::int64_t> nanoseconds_;
};

/// What a pair of clock readings with nothing between them shows (median).
[[nodiscard]] std::chrono::nanoseconds measure_clock_cost();

} // namespace neuroplex::cli
