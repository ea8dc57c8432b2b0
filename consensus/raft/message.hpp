// What Raft nodes say to each other.
//
// Purpose: one struct a message, with a head that all share. The codec turns it
// into bytes; the core treats every field as a claim of somebody who may be
// late, confused or hostile.
//
// Threads: plain values.
//
// Invariants:
//  1. `term` is the sender's term, which was durable when the message left,
//     except that a request for a pre-vote and its grant name the term that the
//     candidate would take.
//  2. `incarnation` names the disk of the sender. What a voter promises counts
//     only if the configuration names the same one.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/raft/types.hpp"

#include <variant>

namespace neuroplex::raft {

struct vote_request {
  bool pre = false;
  /// The leader itself asked for this election: its lease does not stand in the
  /// way.
  bool transfer = false;
  log_index last_index = 0;
  term_number last_term = 0;

  friend bool operator==(const vote_request&, const vote_request&) = default;
};

struct vote_reply {
  bool pre = false;
  bool granted = false;

  friend bool operator==(const vote_reply&, const vote_reply&) = default;
};

struct append_request {
  log_index prev_index = 0;
  term_number prev_term = 0;
  log_index commit = 0;
  std::vector<entry> entries{}; ///< contiguous from prev_index + 1

  friend bool operator==(const append_request&,
                         const append_request&) = default;
};

struct append_reply {
  bool rejected = false;
  /// Accepted: the follower's log agrees, durably, up to here. Rejected: the
  /// prev_index that was refused.
  log_index index = 0;
  /// Rejected: where the follower's log may agree, at the most.
  log_index hint_index = 0;
  term_number hint_term = 0;

  friend bool operator==(const append_reply&, const append_reply&) = default;
};

struct heartbeat {
  log_index commit = 0; ///< never above what the receiver has acknowledged
  std::uint64_t round = 0;

  friend bool operator==(const heartbeat&, const heartbeat&) = default;
};

struct heartbeat_reply {
  std::uint64_t round = 0;

  friend bool operator==(const heartbeat_reply&,
                         const heartbeat_reply&) = default;
};

struct snapshot_chunk {
  snapshot_meta meta{};
  std::uint64_t offset = 0;
  slice data{};
  bool last = false;

  friend bool operator==(const snapshot_chunk&,
                         const snapshot_chunk&) = default;
};

struct snapshot_reply {
  log_index index = 0; ///< which snapshot
  bool installed = false;
  bool refused = false;          ///< start again
  std::uint64_t next_offset = 0; ///< which byte is wanted next

  friend bool operator==(const snapshot_reply&,
                         const snapshot_reply&) = default;
};

/// "Campaign now": the last word of a leader that hands over.
struct timeout_now {
  friend bool operator==(const timeout_now&, const timeout_now&) = default;
};

using message_body = std::variant<vote_request, vote_reply, append_request,
                                  append_reply, heartbeat, heartbeat_reply,
                                  snapshot_chunk, snapshot_reply, timeout_now>;

struct message {
  node_id from = nobody;
  node_id to = nobody;
  incarnation_number incarnation = 0; ///< of the sender
  term_number term = 0;
  message_body body{};

  friend bool operator==(const message&, const message&) = default;
};

} // namespace neuroplex::raft
