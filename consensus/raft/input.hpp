// What happens to a Raft node.
//
// Purpose: the inputs of `core::step`. Each is something that the driver saw: a
// message, a timer, a client's wish, a disk that finished.
//
// Threads: plain values.
//
// Failure behaviour: nothing here fails; what cannot be done is answered.
#pragma once

#include "consensus/raft/config_change.hpp"
#include "consensus/raft/message.hpp"

#include <variant>

namespace neuroplex::raft {

/// Time has passed. Comes at core::next_deadline() at the latest.
struct tick {};

struct received {
  message what{};
};

/// Append these commands, all or none. Answered with accepted or refused, and
/// with outcome_unknown as well if the node loses its office before they are
/// committed.
struct propose {
  request_id request = 0;
  std::vector<slice> payloads{};
};

/// From which index may a linearizable read be answered?
struct read {
  request_id request = 0;
};

/// Change the membership. No changes at all: leave the joint configuration.
struct change_membership {
  request_id request = 0;
  std::vector<member_change> changes{};
  change_transition transition = change_transition::automatic;
};

/// Hand the office to another voter. Proposals are refused meanwhile.
struct transfer_leadership {
  request_id request = 0;
  node_id to = nobody;
};

/// All writes up to this one are durable.
struct persisted {
  write_id write = 0;
};

/// A write or a sync failed. What the disk holds is unknown, so the node stops
/// for good; a sync that is tried again may lie.
struct persist_failed {};

/// The state machine has applied all entries up to here.
struct applied {
  log_index index = 0;
};

/// A snapshot with the meta that core::snapshot_meta_at gave is durable.
struct snapshot_taken {
  snapshot_meta meta{};
};

/// Answer to effects::chunk_reads.
struct chunk_read {
  node_id to = nobody;
  log_index index = 0; ///< which snapshot
  std::uint64_t offset = 0;
  slice data{};
  bool last = false;
};

/// The snapshot that a chunk was wanted of is gone or unreadable.
struct chunk_unavailable {
  node_id to = nobody;
  log_index index = 0;
};

/// Answer to effects::store.
struct chunk_stored {
  log_index index = 0;
  std::uint64_t next_offset = 0;
};

/// Answer to effects::install: file and state machine are at meta.index, and
/// the file is durable.
struct snapshot_installed {
  log_index index = 0;
};

/// Answer to effects::store or effects::install that could not be carried out.
struct snapshot_failed {
  log_index index = 0;
};

/// The connection to a peer broke: what was under way to it may be lost.
struct peer_unreachable {
  node_id peer = nobody;
};

/// Stand for election now, as if the timeout had passed. Not heeded while a
/// lease may rest on this node's promise.
struct campaign {};

/// The operator knows that the leader is gone: be willing to vote for another
/// at once. Not heeded with lease reads, which rest on the promise not to.
struct forget_leader {};

using input =
  std::variant<tick, received, propose, read, change_membership,
               transfer_leadership, persisted, persist_failed, applied,
               snapshot_taken, chunk_read, chunk_unavailable, chunk_stored,
               snapshot_installed, snapshot_failed, peer_unreachable, campaign,
               forget_leader>;

} // namespace neuroplex::raft
