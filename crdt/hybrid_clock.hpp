// Timestamps that follow real time and never contradict causality.
//
// Purpose: orders the writes of `lww_register` and `lww_set`. A stamp is the
// largest real time that was seen, and a count of events within it, so that a
// write is always later than all that its writer knew.
//
// Source: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical physical clocks"
// (2014), figure 5. 48 bits of milliseconds, 16 of the count; a count that is
// full carries into the time.
//
// Threads: one at a time.
//
// Invariants:
//  1. The stamps of one clock strictly increase, whatever the real time does,
//     and over a restart if the last one was kept (`hybrid_clock::restored`).
//  2. No stamp is later than `max_drift` after the real time, unless the real
//     time itself went back.
//
// Failure behaviour: a stamp from too far in the future is refused with
// `errc::bad_argument`, and the clock stays as it was.
#pragma once

#include "memory/status.hpp"

#include <chrono>
#include <compare>
#include <cstdint>

namespace neuroplex::crdt {

/// Milliseconds since 1970 in the upper 48 bits, a count in the lower 16. Ties
/// between replicas are broken by their ids.
struct hybrid_timestamp {
  std::uint64_t bits = 0;

  [[nodiscard]] constexpr std::chrono::milliseconds time() const noexcept {
    return std::chrono::milliseconds{
      static_cast<std::chrono::milliseconds::rep>(bits >> 16)};
  }

  friend constexpr auto operator<=>(const hybrid_timestamp&,
                                    const hybrid_timestamp&) = default;
};

class hybrid_clock {
public:
  /// A clock that believes stamps up to `max_drift` ahead of the real time.
  explicit hybrid_clock(
    std::chrono::milliseconds max_drift = std::chrono::seconds{60}) noexcept
    : max_drift_{max_drift} {
  }

  /// A clock that goes on after `last`, the last stamp that it gave.
  [[nodiscard]] static hybrid_clock restored(
    hybrid_timestamp last,
    std::chrono::milliseconds max_drift = std::chrono::seconds{60}) noexcept {
    hybrid_clock clock{max_drift};
    clock.last_ = last;
    return clock;
  }

  /// The stamp of an event now, later than all that were given or observed.
  [[nodiscard]] expected<hybrid_timestamp> tick(std::chrono::milliseconds now);

  /// Takes in the stamp of a message.
  [[nodiscard]] expected<void> observe(hybrid_timestamp stamp,
                                       std::chrono::milliseconds now);

  /// The last stamp that was given or observed; to be kept over a restart.
  [[nodiscard]] hybrid_timestamp last() const noexcept {
    return last_;
  }

private:
  std::chrono::milliseconds max_drift_;
  hybrid_timestamp last_;
};

} // namespace neuroplex::crdt
