// How long operations take, for whoever wants to know: a histogram of all of
// them, the last ten thousand one by one, and the clock's own cost taken off.
//
// Purpose: timing something of a hundred nanoseconds with a clock that costs
// twenty, and saying minimum, median, mean, p95, p99, p99.9 and maximum of it.
//
//   latency_recorder recorder;
//   for (...)
//     recorder.time([&] { store.get(ns, key, value); });
//   auto lately = recorder.recent();   // exact, of the last 10,000
//   auto ever = recorder.lifetime();   // of all, to 1 in 64
//
// Ownership and threads: a plain value for one thread at a time. Threads that
// measure together have a recorder each; `merge` puts them together when they
// are done.
//
// Invariants:
//  1. A sample costs the memory of no other: about 110 KiB whatever the count.
//  2. `recent` is exact, by nearest rank; `lifetime` is exact in count,
//  minimum,
//     maximum and mean, and its percentiles are at most 1/64 above the truth.
//  3. The clock's cost is taken off each sample; none goes below zero.
//
// Failure behaviour: none; without samples every figure is zero.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace neuroplex::memory {

/// Figures of a set of samples, in nanoseconds.
struct latency_summary {
  std::uint64_t samples = 0;
  std::uint64_t min_ns = 0;
  std::uint64_t median_ns = 0;
  double mean_ns = 0;
  std::uint64_t p95_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t p999_ns = 0;
  std::uint64_t max_ns = 0;
};

/// What a pair of clock readings with nothing between them shows (the median of
/// some thousands), in nanoseconds. Measured once a process.
[[nodiscard]] std::uint64_t clock_cost_ns();

class latency_recorder {
public:
  /// Samples that are kept one by one.
  static constexpr std::size_t ring_samples = 10'000;

  /// Takes the clock's cost, as `clock_cost_ns` has it, off each sample.
  latency_recorder();

  /// Takes `own_cost_ns` off each sample instead.
  explicit latency_recorder(std::uint64_t own_cost_ns);

  /// A duration as the clock showed it.
  void add(std::uint64_t measured_ns) noexcept;

  /// Runs `work`, adds how long it took, and answers what it answered.
  template <class Work>
  decltype(auto) time(Work&& work) {
    // Adds when it goes, so that `work` may answer nothing.
    struct stopwatch {
      latency_recorder& owner;
      std::chrono::steady_clock::time_point begin =
        std::chrono::steady_clock::now();
      ~stopwatch() {
        auto taken = std::chrono::steady_clock::now() - begin;
        owner.add(static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count()));
      }
    } watch{*this};
    return std::forward<Work>(work)();
  }

  /// Of the last `ring_samples`, exactly. Sorts a copy: some 100 us.
  [[nodiscard]] latency_summary recent() const;

  /// Of all samples since the beginning or the last `clear`.
  [[nodiscard]] latency_summary lifetime() const noexcept;

  [[nodiscard]] std::uint64_t samples() const noexcept {
    return count_;
  }

  /// Nanoseconds that are taken off each sample.
  [[nodiscard]] std::uint64_t own_cost_ns() const noexcept {
    return own_cost_ns_;
  }

  /// Adds what another one has seen; its ring counts as the later one.
  void merge(const latency_recorder& other);

  void clear() noexcept;

private:
  // Bucket b holds values whose top bits are the same: exact below 64, then 64
  // buckets for each power of two.
  static constexpr unsigned precision_bits = 6;
  static constexpr std::size_t bucket_count = (64 - precision_bits + 1)
                                              << precision_bits;

  static std::size_t bucket_of(std::uint64_t ns) noexcept;
  static std::uint64_t last_of(std::size_t bucket) noexcept;
  [[nodiscard]] std::uint64_t percentile(double share) const noexcept;
  void remember(std::uint64_t ns) noexcept;

  std::uint64_t own_cost_ns_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t min_ns_ = ~std::uint64_t{0};
  std::uint64_t max_ns_ = 0;
  std::vector<std::uint64_t> buckets_;
  std::vector<std::uint64_t> ring_;
  std::size_t next_ = 0; // place in the ring of the next sample
  std::size_t kept_ = 0; // samples in the ring
};

} // namespace neuroplex::memory
