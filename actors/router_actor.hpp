// The actor that finds the owner of a key and gets the answer from it.
//
// Purpose: one door to the whole cluster. A request for a shard of this node
// is handed on and answered by the shard itself; one for a peer is sent there,
// sent again when no answer comes, and answered at once when the peer is lost.
// Which shards are where is the placement's affair (consensus/placement/).
//
// Threads: an actor; the table is immutable.
//
// Invariants:
//  1. Every request is answered by its deadline: by its owner, or with
//     `unavailable` (surely not applied), `unknown_outcome` (a write that may
//     have been applied) or `busy` (no credit; nothing was sent).
//  2. A request that a peer forwarded to us is never forwarded again.
//  3. A write is repeated under its own id only, so that it happens once.
#pragma once

#include "actors/interfaces.hpp"
#include "consensus/placement/placement.hpp"

#include "actors/replica_actor.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace neuroplex::actors {

struct router_options {
  placement::replica_id self = 0;
  placement::placement_ptr table;
  std::uint32_t request_credit = 4'096; ///< in flight to one peer
  std::uint32_t mailbox_messages = 65'536;
  message_limits most; ///< of requests; longer ones are refused

  /// Those there are at its start. Given here and not by messages: a request
  /// could come between.
  std::map<placement::shard_index, shard_actor> shards = {};
  store_actor store = {};

  /// Serves the namespaces named beside it; null for none.
  agreement_peer_actor agreement = {};
  std::set<std::string, std::less<>> agreed_spaces = {};

  /// The namespaces of replicas; null for none.
  std::shared_ptr<replica_access> replicas = {};
};

/// Peers, and shards and a store that were started again, are told by messages
/// once it runs.
router_actor spawn_router(caf::actor_system& system, router_options options);

} // namespace neuroplex::actors
