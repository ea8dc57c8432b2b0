// The actor that reaches one peer and meets it again after a loss.
//
// Purpose: of two nodes the one with the larger replica id dials, since two
// connections at once would confuse CAF's routing. It connects, greets, lets
// both sides judge each other, and presents the peer to its own node, which
// tells the router. When the peer is lost it starts over, with pauses that
// double up to a limit.
//
// Threads: an actor that never blocks: connecting is a request with a timeout.
#pragma once

#include "actors/greeting.hpp"
#include "actors/interfaces.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::actors {

/// Where a peer is dialled.
struct peer_address {
  placement::replica_id replica_id = 0;
  std::string host;
  std::uint16_t port = 0;
};

peer_link_actor spawn_peer_link(caf::actor_system& system,
                                const node_actor& owner, const acquaintance& us,
                                const peer_address& where,
                                std::uint32_t reconnect_ms);

} // namespace neuroplex::actors
