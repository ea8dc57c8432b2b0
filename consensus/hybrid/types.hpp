// The nouns of the hybrid: epochs, modes, the heads of chains.
//
// Purpose: plain values that the core, its client, its driver, the codec and
// the simulator share.
//
// Threads: plain values.
//
// Invariants:
//  1. Epoch 0 is the first, by PBFT; epochs by Raft have a leader, others none.
//  2. Index 0 of an epoch's chain lies before its first entry.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/pbft/crypto.hpp"
#include "consensus/pbft/types.hpp"
#include "consensus/raft/types.hpp"

namespace neuroplex::hybrid {

using neuroplex::slice;
using pbft::crypto;
using pbft::digest;
using pbft::group_id;
using pbft::nobody;
using pbft::node_id;
using pbft::request;
using pbft::sequence_number;
using pbft::signature;
using pbft::time;
using pbft::timestamp;
using pbft::write_id;
using raft::entry;
using raft::log_index;

/// Rises by one with each switch of mode.
using epoch_number = std::uint64_t;

enum class mode : std::uint8_t { pbft, raft };

/// How the group works at present.
struct epoch_info {
  epoch_number epoch = 0;
  mode how = mode::pbft;
  node_id leader = nobody; ///< of an epoch by Raft

  friend auto operator<=>(const epoch_info&, const epoch_info&) = default;
};

/// The last of a chain of entries, each hashed with the one before. Orders by
/// length first.
struct head {
  log_index index = 0;
  digest chain{};

  friend auto operator<=>(const head&, const head&) = default;
};

/// Under this id a replica asks PBFT for what concerns the group itself.
[[nodiscard]] constexpr node_id control_client_of(node_id replica) noexcept {
  return replica | node_id{1} << 63;
}

/// Requests that go through Raft bear this group, so that PBFT takes none of
/// them for one of its own.
[[nodiscard]] constexpr group_id raft_side_of(group_id group) noexcept {
  return ~group;
}

} // namespace neuroplex::hybrid
