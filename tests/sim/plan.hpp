// Which faults a run has, and how strong: swarm testing.
//
// Purpose: a run with every fault at once seldom gets anywhere, and a run with
// a mild mix finds mild bugs only. So each seed draws a subset of the kinds of
// faults and a strength for each (Groce et al., "Swarm testing", ISSTA 2012).
// A run is shrunk by forbidding kinds one after the other.
//
// Threads: plain values.
//
// Invariants: the strengths are drawn for all kinds in a fixed order, so that
// forbidding one changes no other.
#pragma once

#include "tests/sim/dice.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::sim {

enum class fault : std::uint8_t {
  loss,        ///< messages vanish, up to 30 %
  duplication, ///< messages arrive twice
  reordering,  ///< some messages take much longer than others
  delay,       ///< all messages take long
  partition,   ///< the machines fall into two groups
  one_way,     ///< messages pass in one direction only
  partial,     ///< some pairs cannot talk, though all talk to a third
  crash,       ///< machines stop at any effect, and start again
  torn_write,  ///< what was not synced at a crash is lost, whole or torn
  failed_sync, ///< a sync says that it failed
  rot,         ///< a bit of what was written long ago changes
  slow_disk,   ///< syncs take up to hundreds of milliseconds
  full_disk,   ///< writes are refused for a while
  clock_drift, ///< clocks run fast or slow
  clock_jump,  ///< wall clocks are set
  pause,       ///< a machine stands still for a while
  membership,  ///< machines join and leave
  transfer,    ///< the leader is told to hand over
  snapshot,    ///< state is saved and logs are cut at any time
  rare_branch, ///< code takes a path that it seldom takes
  misdirected, ///< a write landed elsewhere in its file
  new_leader,  ///< something strikes just after somebody was elected
};

inline constexpr unsigned fault_count = 22;

/// A set of kinds.
class fault_set {
public:
  constexpr fault_set() = default;

  [[nodiscard]] static constexpr fault_set all() noexcept {
    fault_set result;
    result.bits_ = (1U << fault_count) - 1;
    return result;
  }

  [[nodiscard]] constexpr bool has(fault kind) const noexcept {
    return (bits_ >> static_cast<unsigned>(kind) & 1U) != 0;
  }

  constexpr void add(fault kind) noexcept {
    bits_ |= 1U << static_cast<unsigned>(kind);
  }

  constexpr void remove(fault kind) noexcept {
    bits_ &= ~(1U << static_cast<unsigned>(kind));
  }

  [[nodiscard]] constexpr bool empty() const noexcept {
    return bits_ == 0;
  }

  friend constexpr bool operator==(fault_set, fault_set) = default;

private:
  std::uint32_t bits_ = 0;
};

[[nodiscard]] std::string_view name_of(fault kind) noexcept;

/// "loss,crash"; "none" for the empty set.
[[nodiscard]] std::string to_string(fault_set kinds);

/// Nothing where a name is unknown.
[[nodiscard]] std::optional<fault_set> parse_faults(std::string_view names);

/// How strong the faults of one run are. Zero where a kind was not drawn.
struct plan {
  fault_set kinds;

  // Shares in millionths of all messages.
  std::uint32_t loss_ppm = 0;
  std::uint32_t duplication_ppm = 0;
  std::uint32_t reordering_ppm = 0;
  nanoseconds least_delay{};
  nanoseconds most_delay{};
  nanoseconds reordering_delay{};

  // Mean time between what the nemesis does, and how long its deeds last.
  nanoseconds nemesis_pace{};
  nanoseconds longest_fault{};
  std::uint32_t crash_at_effect_ppm = 0; ///< at each effect

  nanoseconds least_sync{};
  nanoseconds most_sync{};
  nanoseconds stall{}; ///< of a slow disk
  std::uint32_t stall_ppm = 0;
  std::uint32_t failed_sync_ppm = 0;

  std::int32_t most_drift_ppm = 0; ///< of a clock, either way
};

/// Draws a plan among `allowed` kinds.
[[nodiscard]] plan draw_plan(dice from, fault_set allowed);

} // namespace neuroplex::sim
