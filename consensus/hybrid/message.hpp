// What the replicas and clients of a hybrid group say to each other, beside the
// messages of PBFT.
//
// Purpose: one struct a message, an order to the group, a result. Every field
// is a claim of somebody who may be late, confused or hostile.
//
// Threads: plain values.
//
// Invariants: what carries a signature is about one group, one epoch and one
// kind of statement, so that it can be used nowhere else.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/hybrid/types.hpp"

#include <optional>
#include <variant>
#include <vector>

namespace neuroplex::hybrid {

/// A message of the epoch's Raft group. With entries it carries the leader's
/// signature for the chain up to the last of them.
struct raft_message {
  epoch_number epoch = 0;
  slice encoded{};
  std::optional<signature> by_leader{};

  friend bool operator==(const raft_message&, const raft_message&) = default;
};

/// From a client, or from a replica that passes it on.
struct ask {
  request what{};

  friend bool operator==(const ask&, const ask&) = default;
};

/// From the leader: done. From others, or when the epoch is another one: how
/// the group works now.
struct answer {
  epoch_info where{};
  timestamp number = 0; ///< of the request
  bool done = false;
  slice result{};

  friend bool operator==(const answer&, const answer&) = default;
};

/// At an interval: the state with which the epoch began here, and how far the
/// replica has come in it.
struct standing {
  epoch_info where{};
  digest root{};     ///< of the state at the beginning of the epoch
  signature begun{}; ///< for the two above
  head accepted{};
  signature by_leader{}; ///< for `accepted`, unless its index is 0

  friend bool operator==(const standing&, const standing&) = default;
};

/// "I want this epoch by Raft to end": at an interval, as long as it does. Who
/// stopped for it passes it on, so that nobody can have a few stop alone.
struct doubt {
  node_id replica = nobody;
  epoch_number epoch = 0;
  signature by{};

  friend bool operator==(const doubt&, const doubt&) = default;
};

/// "I do nothing in this epoch any more; this is the last that I accepted."
struct stop {
  node_id replica = nobody;
  epoch_number epoch = 0;
  head last{};
  signature by_leader{}; ///< for `last`, unless its index is 0
  signature by{};

  friend bool operator==(const stop&, const stop&) = default;
};

/// "I have these entries on my disk, and their clients asked for them."
struct holding {
  node_id replica = nobody;
  epoch_number epoch = 0;
  head what{};
  signature by{};

  friend bool operator==(const holding&, const holding&) = default;
};

/// The piece of an epoch's chain that ends there.
struct entries_wanted {
  epoch_number epoch = 0;
  head last{};

  friend bool operator==(const entries_wanted&,
                         const entries_wanted&) = default;
};

struct entries_sent {
  epoch_number epoch = 0;
  head last{};
  digest before{}; ///< the chain before the first of them
  std::vector<entry> entries{};

  friend bool operator==(const entries_sent&, const entries_sent&) = default;
};

using message_body = std::variant<raft_message, ask, answer, standing, stop,
                                  holding, entries_wanted, entries_sent, doubt>;

struct message {
  group_id group = 0;
  node_id from = nobody;
  message_body body{};

  friend bool operator==(const message&, const message&) = default;
};

/// A client's wish. Its number, not that of the request which carries it, makes
/// it happen once: it may be asked for in both modes.
struct command {
  std::uint64_t number = 0;
  slice what{};

  friend bool operator==(const command&, const command&) = default;
};

/// Ends an epoch by Raft: its history follows from these.
struct close_order {
  epoch_number epoch = 0;
  std::vector<stop> stops{};
  std::vector<holding> holdings{};

  friend bool operator==(const close_order&, const close_order&) = default;
};

/// A replica's vote for an epoch by Raft after `epoch`, or its withdrawal.
struct open_vote {
  epoch_number epoch = 0;
  bool willing = false;
  std::vector<node_id> leaders{}; ///< who may lead, in its view

  friend bool operator==(const open_vote&, const open_vote&) = default;
};

/// What a request that PBFT orders asks for.
using order = std::variant<command, close_order, open_vote>;

enum class result_kind : std::uint8_t {
  done,    ///< `bytes` is the result
  moved,   ///< not executed: ask as `where` says
  refused, ///< an order that is out of place
};

struct result {
  result_kind kind = result_kind::refused;
  epoch_info where{};
  slice bytes{};

  friend bool operator==(const result&, const result&) = default;
};

} // namespace neuroplex::hybrid
