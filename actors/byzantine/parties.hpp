// Who speaks in a Byzantine group, by number.
//
// Purpose: every node is a replica, the replica's control client, and some
// clients that ask on behalf of whoever is connected to the node. All of them
// use the node's key pair, since all live in one process: who has it may speak
// as any of them.
//
// Threads: pure functions.
//
// Invariants: replica ids are below 2^32, so that no two parties share an id.
//
// Failure behaviour: none.
#pragma once

#include "consensus/hybrid/types.hpp"

#include <cstddef>

namespace neuroplex::byzantine {

/// Operations that a node may have under way; each carries many wishes.
inline constexpr std::size_t clients_per_node = 8;

[[nodiscard]] constexpr hybrid::node_id client_of(hybrid::node_id node,
                                                  std::size_t number) noexcept {
  return node | (static_cast<hybrid::node_id>(number) + 1) << 32;
}

/// Where a party lives.
[[nodiscard]] constexpr hybrid::node_id
node_of(hybrid::node_id party) noexcept {
  return party & 0xFFFF'FFFFU;
}

} // namespace neuroplex::byzantine
