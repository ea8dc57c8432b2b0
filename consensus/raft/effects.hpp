// What a Raft node wants done.
//
// Purpose: the outputs of `core::step`. The driver carries them out in any
// order and with any delay, with three exceptions stated at their fields.
//
// Threads: plain values.
//
// Invariants:
//  1. Everything in `messages` may leave at once: what promises something that
//     is not durable yet stays inside the core until it is.
//  2. Committed entries come once each, in the order of their indexes.
//
// Failure behaviour: a failed write is told by `persist_failed`; all else may
// be lost.
#pragma once

#include "consensus/raft/message.hpp"

#include <optional>

namespace neuroplex::raft {

/// One unit for the disk: all of it or nothing, in the order of ids. Steps
/// within one, in this order: reset, truncation, entries, hard state.
struct disk_write {
  write_id id = 0;
  /// Forget the whole log; it begins anew after this index.
  std::optional<log_index> reset_to{};
  /// Forget the entries from here on.
  std::optional<log_index> truncate_from{};
  std::vector<entry> entries{};
  std::optional<hard_state> hard{};
  /// Entries up to here are covered by a durable snapshot and may be dropped.
  std::optional<log_index> compact_to{};
};

enum class answer_kind : std::uint8_t {
  accepted,        ///< appended at `index` (the last of `count`) in `term`
  refused,         ///< nothing was done, and nothing will be
  outcome_unknown, ///< accepted before; may yet be committed, or never
  read_ready,      ///< read once `index` is applied
  transferred,     ///< this node has left office for the transfer
};

enum class refusal : std::uint8_t {
  none,
  not_leader,         ///< `leader` may know better
  transferring,       ///< the leader is handing over; try again
  too_much_in_flight, ///< try again when something was committed
  too_large,          ///< a payload or their number exceeds the limit
  no_commit_yet,      ///< the leader is new, and another change waits already
  change_in_progress, ///< an earlier change is not committed yet
  bad_change,         ///< the configuration that would result is impossible
  not_a_learner,      ///< a voter must have been a learner, with that disk
  learner_behind,     ///< the learner has not caught up yet
  not_a_voter,        ///< the office cannot go to that node
  timed_out,          ///< the transfer did not happen in time
  stopped,            ///< the disk of this node has failed
};

[[nodiscard]] std::string_view refusal_name(refusal why) noexcept;

struct answer {
  request_id request = 0;
  answer_kind kind = answer_kind::refused;
  refusal why = refusal::none;
  node_id leader = nobody; ///< as far as is known
  log_index index = 0;
  term_number term = 0;
  std::uint64_t count = 0;

  friend bool operator==(const answer&, const answer&) = default;
};

/// Read a piece of a snapshot; answered with chunk_read or chunk_unavailable.
struct chunk_wanted {
  node_id to = nobody;
  snapshot_meta meta{};
  std::uint64_t offset = 0;
  std::size_t max_bytes = 0;
};

/// Keep a piece of a snapshot; offset 0 begins a new file. Answered with
/// chunk_stored or snapshot_failed.
struct chunk_to_store {
  snapshot_meta meta{};
  std::uint64_t offset = 0;
  slice data{};
  bool last = false;
};

struct role_notice {
  raft::role role = raft::role::follower;
  term_number term = 0;
  node_id leader = nobody;

  friend bool operator==(const role_notice&, const role_notice&) = default;
};

struct membership_notice {
  configuration members{};
  log_index index = 0; ///< of the entry that brought it
  bool committed = false;
};

struct effects {
  std::vector<message> messages{};
  /// Hand to the disk in the order they come.
  std::optional<disk_write> write{};
  /// Apply in order; report with `applied`.
  std::vector<entry> committed{};
  std::vector<answer> answers{};
  std::vector<chunk_wanted> chunk_reads{};
  std::optional<chunk_to_store> store{};
  /// Check the stored snapshot, make it durable and put the state machine at
  /// its index, after whatever is still being applied.
  std::optional<snapshot_meta> install{};
  std::optional<role_notice> role{}; ///< role, term or leader changed
  std::optional<membership_notice> membership{}; ///< the configuration changed

  void clear();
  [[nodiscard]] bool empty() const noexcept;
};

} // namespace neuroplex::raft
