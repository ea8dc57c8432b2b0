// The actor that is a node: its door to other processes and the supervisor of
// all its actors.
//
// Purpose: starts the children, watches them, starts again what dies, stops
// them in order, greets peers and tells the router who is there. Data messages
// are handed to the router, so that a handle to the node stays good when the
// router is started again.
//
// Ownership: refers to a store that outlives it; shares the shards' cores.
//
// Invariants:
//  1. A child that ends while the node runs is started again and counted, up
//     to limits::max_restarts within limits::restart_window_ms. Beyond that the
//     node is failed: `on_failure` is called once and the child stays down.
//  2. Children stop in the reverse order of what they need: links, scans and
//     the gateway, the router, shards, the store and upkeep.
#pragma once

#include "actors/agreement_peer.hpp"
#include "actors/concept_access.hpp"
#include "actors/greeting.hpp"
#include "actors/interfaces.hpp"
#include "actors/peer_link.hpp"
#include "actors/pool_actor.hpp"
#include "actors/replica_actor.hpp"
#include "actors/resp_gateway.hpp"
#include "actors/shard_core.hpp"
#include "actors/upkeep/parts.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::actors {

struct node_setup {
  acquaintance us;
  memory::store* store = nullptr;

  /// What was in it as the node started.
  start_report found;

  /// The shards of this node, by number.
  std::vector<std::pair<placement::shard_index, std::shared_ptr<shard_core>>>
    shards;

  /// Serves the segment as a whole.
  std::shared_ptr<shard_core> whole;

  /// What keeps the segment in order, and its actors' memory.
  std::shared_ptr<upkeep::parts> upkeep;
  std::shared_ptr<lease_holders> holders = std::make_shared<lease_holders>();

  /// The gateway for Redis clients; null for none.
  std::shared_ptr<resp_gateway> gateway;

  /// The agreement of the node; null when no namespace needs it.
  std::shared_ptr<agreement_access> agreement;

  /// The replicas of the node; null when no namespace has any.
  std::shared_ptr<replica_access> replicas;

  /// The concept memory of the node; null for none.
  std::shared_ptr<concept_access> concepts;

  /// Host of each peer, where its agreement is reached; empty with the tunnel.
  std::map<std::uint32_t, std::string> peer_hosts;

  std::vector<peer_address> dial; ///< peers that this node has to dial

  /// Figures of the tunnel, for reports; may be called until the actor ends.
  std::function<tunnel_report()> report_tunnel;

  std::uint32_t request_ms = 1'000;
  std::uint32_t reconnect_ms = 500;
  std::uint32_t request_credit = 4'096;
  std::uint32_t mailbox_messages = 65'536;
  message_limits most; ///< of a request

  /// Called when the node gave up on a child; must not block.
  std::function<void(const std::string& reason)> on_failure;
};

node_actor spawn_node(caf::actor_system& system, node_setup setup);

} // namespace neuroplex::actors
