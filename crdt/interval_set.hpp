// A set of counters, kept as sorted intervals.
//
// Purpose: which changes of one replica were seen. Gaps are allowed, so that
// deltas may arrive in any order.
//
// Threads: a plain value.
//
// Invariants: intervals are sorted and neither overlap nor touch; none is
// empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace neuroplex::crdt {

/// All counters from `first` to `last`, both included.
struct interval {
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  friend bool operator==(const interval&, const interval&) = default;
};

class interval_set {
public:
  interval_set() = default;

  interval_set(std::uint64_t first, std::uint64_t last)
    : intervals_{{first, last}} {
  }

  [[nodiscard]] bool contains(std::uint64_t counter) const noexcept;

  void add(std::uint64_t counter) {
    add(interval{counter, counter});
  }

  void add(interval more);
  void merge(const interval_set& other);

  [[nodiscard]] interval_set intersection(const interval_set& other) const;
  [[nodiscard]] interval_set difference(const interval_set& other) const;
  [[nodiscard]] bool includes(const interval_set& other) const;

  /// How many counters there are.
  [[nodiscard]] std::uint64_t size() const noexcept;

  /// The largest; 0 when there is none.
  [[nodiscard]] std::uint64_t largest() const noexcept {
    return intervals_.empty() ? 0 : intervals_.back().last;
  }

  [[nodiscard]] bool empty() const noexcept {
    return intervals_.empty();
  }

  [[nodiscard]] std::span<const interval> intervals() const noexcept {
    return intervals_;
  }

  friend bool operator==(const interval_set&, const interval_set&) = default;

private:
  std::vector<interval> intervals_;
};

/// Translates between a counter and its place in a set, for counters that only
/// ever rise: one walk for all of them.
class place_cursor {
public:
  explicit place_cursor(std::span<const interval> intervals) noexcept
    : rest_{intervals} {
  }

  /// The place of `counter`, which is in the set.
  [[nodiscard]] std::uint64_t place_of(std::uint64_t counter) noexcept;

  /// The counter at `place`; 0 when the set ends before it.
  [[nodiscard]] std::uint64_t counter_at(std::uint64_t place) noexcept;

private:
  void skip() noexcept;

  std::span<const interval> rest_;
  std::uint64_t before_ =
    0; ///< counters in the intervals that were left behind
};

} // namespace neuroplex::crdt
