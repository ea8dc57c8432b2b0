#include "crdt/hybrid_clock.hpp"

#include <algorithm>
#include <string>

namespace neuroplex::crdt {

namespace {

constexpr std::chrono::milliseconds last_time{(std::int64_t{1} << 48) - 1};

std::uint64_t start_of(std::chrono::milliseconds now) noexcept {
  auto time = std::clamp(now, std::chrono::milliseconds{0}, last_time);
  return static_cast<std::uint64_t>(time.count()) << 16;
}

} // namespace

expected<hybrid_timestamp> hybrid_clock::tick(std::chrono::milliseconds now) {
  if (last_.bits == UINT64_MAX)
    return failure{errc::overflow,
                   "hybrid clock: its last stamp was given: expected a real "
                   "time before the year 10889"};
  // One more carries from the count into the time by itself.
  last_.bits = std::max(last_.bits + 1, start_of(now));
  return last_;
}

expected<void> hybrid_clock::observe(hybrid_timestamp stamp,
                                     std::chrono::milliseconds now) {
  auto ahead = stamp.time() - std::max(now, std::chrono::milliseconds{0});
  if (ahead > max_drift_)
    return failure{errc::bad_argument, "hybrid clock: a stamp "
                                         + std::to_string(ahead.count())
                                         + " ms ahead of this clock: at most "
                                         + std::to_string(max_drift_.count())
                                         + ": set the clocks of both nodes"};
  last_ = std::max(last_, stamp);
  return {};
}

} // namespace neuroplex::crdt
