// Who made a change, and which of his changes it was.
//
// Purpose: a replica is a node in one of its incarnations. A node that lost its
// memory, or meets its own id with a counter it never used, comes back under a
// new incarnation, so that a dot never names two changes.
//
// Threads: plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace neuroplex::crdt {

struct replica_id {
  std::uint32_t node = 0;
  std::uint32_t incarnation = 0;

  friend constexpr auto operator<=>(const replica_id&,
                                    const replica_id&) = default;
};

/// One change of one replica (Almeida, Shoker, Baquero 2018, section 7.1).
/// Counters begin with 1.
struct dot {
  replica_id replica;
  std::uint64_t counter = 0;

  friend constexpr auto operator<=>(const dot&, const dot&) = default;
};

/// "7.0", or "7.0:42" for a dot.
[[nodiscard]] inline std::string to_string(replica_id id) {
  return std::to_string(id.node) + "." + std::to_string(id.incarnation);
}

[[nodiscard]] inline std::string to_string(const dot& what) {
  return to_string(what.replica) + ":" + std::to_string(what.counter);
}

} // namespace neuroplex::crdt
