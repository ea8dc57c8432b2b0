// Virtual time, and what is to happen when.
//
// Purpose: a run is a queue of events that are taken in the order of their
// times, and among equal times in the order in which they were scheduled. The
// clock jumps from event to event, so that an hour of silence costs nothing.
//
// Threads: none. The whole world of a run belongs to one thread; worlds share
// nothing.
//
// Invariants:
//  1. Time never goes back, and an event never runs before its time.
//  2. What runs depends on the seed and on what was scheduled, on nothing else.
//
// Failure: `fail` keeps the first sentence and stops the run. It is how a
// checker says that the system under test is wrong.
#pragma once

#include "tests/sim/dice.hpp"
#include "tests/sim/trace.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::sim {

/// More than any run needs: messages that breed messages fail a run.
inline constexpr std::uint64_t max_events = 1'000'000;

class kernel {
public:
  using action = std::function<void()>;

  explicit kernel(std::uint64_t seed) : root_{mix(seed)} {
  }

  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;

  [[nodiscard]] nanoseconds now() const noexcept {
    return now_;
  }

  /// A stream of chance that nothing else of that name and number shares.
  [[nodiscard]] dice stream(std::string_view label,
                            std::uint64_t number = 0) const noexcept {
    return root_.fork(label, number);
  }

  /// Runs `what` when the clock says `when`, or next if that has passed.
  void at(nanoseconds when, action what);

  void after(nanoseconds delay, action what) {
    at(now_ + delay, std::move(what));
  }

  /// Runs events up to and including those of `limit`. False when a checker
  /// failed. The clock stands at `limit` afterwards.
  bool run_until(nanoseconds limit);

  /// Something that must never be was seen.
  void fail(std::string sentence);

  [[nodiscard]] bool failed() const noexcept {
    return !failure_.empty();
  }

  [[nodiscard]] const std::string& failure() const noexcept {
    return failure_;
  }

  [[nodiscard]] std::uint64_t events() const noexcept {
    return events_;
  }

  [[nodiscard]] trace& log() noexcept {
    return trace_;
  }

  void note(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0,
            std::uint64_t c = 0) noexcept {
    trace_.note(now_, what, a, b, c);
  }

  template <class Text>
  void tell(Text&& text) {
    trace_.tell(now_, std::forward<Text>(text));
  }

private:
  struct entry {
    nanoseconds when;
    std::uint64_t order;
    std::uint32_t slot;
  };

  static bool later(const entry& a, const entry& b) noexcept {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  dice root_;
  nanoseconds now_{0};
  std::uint64_t next_order_ = 0;
  std::uint64_t events_ = 0;
  std::vector<entry> heap_;
  std::vector<action> actions_;
  std::vector<std::uint32_t> free_slots_;
  trace trace_;
  std::string failure_;
};

} // namespace neuroplex::sim
