// Whether two nodes may work together: the rules of the greeting.
//
// Purpose: CAF's own node ids may repeat after a restart or in containers, and
// its handshake knows no clusters. So nodes present themselves with a hello of
// ours before anything else, and each judges the other by these rules.
//
// Threads: pure functions on plain values.
//
// Failure behaviour: `judge` answers why a node is refused, with both sides'
// values in the text.
#pragma once

#include "actors/messages.hpp"
#include "consensus/placement/placement.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace neuroplex::actors {

/// What a node knows of itself and of the peers it has met.
struct acquaintance {
  std::string cluster;
  placement::replica_id self = 0;
  std::uint64_t incarnation = 0;
  placement::placement_ptr table;
  node_bounds bounds = {};

  /// The newest incarnation of each peer that was welcomed.
  std::map<placement::replica_id, std::uint64_t> seen;

  [[nodiscard]] hello introduce(std::int64_t now_ms) const;
};

/// `ok`, or: `version` (another protocol), `denied` (another cluster, or an id
/// that is no member), `conflict` (our own id, an incarnation older than one
/// we have met, another placement table, or bounds that do not go together:
/// messages longer than our tunnel's frames, heartbeats too rare for our
/// patience), `protocol` (bounds that no node has). Where bounds differ
/// otherwise, the lower one holds between the two: see `lower`.
[[nodiscard]] expected<void> judge(const acquaintance& us, const hello& who);

/// What may be sent between a node that takes `ours` and one that presented
/// itself with `theirs`.
[[nodiscard]] message_limits lower(const message_limits& ours,
                                   const node_bounds& theirs) noexcept;

/// How far the clock of the other side is ahead of ours, from its hello and
/// the times at which we asked and got it. 0 when that cannot be told apart
/// from the time the messages took.
[[nodiscard]] std::int64_t clock_lead(const hello& who, std::int64_t asked_ms,
                                      std::int64_t answered_ms) noexcept;

} // namespace neuroplex::actors
