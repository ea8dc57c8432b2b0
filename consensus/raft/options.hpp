// Settings of one Raft node, and what makes a set of them impossible.
//
// Purpose: everything that a core does by choice. All nodes of a group should
// have the same values but for `id`, `incarnation` and `seed`.
//
// Threads: plain values.
//
// Invariants: those that `validate` checks.
//
// Failure behaviour: `errc::config` with one line that names the option.
#pragma once

#include "consensus/raft/limits.hpp"
#include "consensus/raft/types.hpp"
#include "memory/status.hpp"

namespace neuroplex::raft {

struct options {
  node_id id = nobody;
  incarnation_number incarnation = 0;
  std::uint64_t seed = 0; ///< of the election timeouts

  /// Voters that may lie: makes quorums larger, and is not enough by itself
  /// (consensus/hybrid). Raft alone has none.
  std::size_t faults = 0;

  /// A follower that hears nothing for this long, or up to twice as long, asks
  /// to be leader. Each election draws anew.
  time election_timeout = std::chrono::milliseconds{300};
  time heartbeat_interval = std::chrono::milliseconds{50};
  bool pre_vote = true;
  bool check_quorum = true;

  /// Answer reads without a round of messages while a majority has promised not
  /// to elect anybody else. Needs check_quorum, and clocks whose rates differ
  /// from true time by no more than the bound.
  bool lease_reads = false;
  std::uint32_t max_clock_drift_ppm = 10'000;

  std::size_t max_append_bytes = std::size_t{1} << 20;
  std::size_t max_append_entries = 4'096;
  std::size_t max_inflight_messages = 256;
  std::size_t max_inflight_bytes = std::size_t{16} << 20;

  /// Proposals are refused while this much is not committed yet.
  std::size_t max_uncommitted_bytes = std::size_t{64} << 20;
  std::size_t max_payload_bytes = std::size_t{4} << 20;
  std::size_t max_waiting_reads = 65'536;
  /// Committed entries handed out and not yet reported as applied.
  std::size_t max_unapplied_entries = 65'536;

  /// Entries kept before a snapshot, for followers that lag a little.
  std::size_t kept_entries = 1'024;
  std::size_t chunk_bytes = std::size_t{256} << 10;

  /// A voter is added only from among the learners, when it lags no more than
  /// `promotion_lag_entries` behind.
  bool voters_begin_as_learners = true;
  std::size_t promotion_lag_entries = 1'024;

  /// `errc::config` unless a node can work with these.
  [[nodiscard]] expected<void> validate() const;

  /// How long a lease lasts on the leader's clock, from the moment its round
  /// was sent: short enough that no follower's promise ends before, whichever
  /// of the two clocks is the slow one.
  [[nodiscard]] time lease_span() const noexcept;
};

/// `errc::config` unless this first configuration can work, seen from node
/// `id`: it is a member, there are not two voters (which survive no failure and
/// need two disks), and no id is there twice.
[[nodiscard]] expected<void> validate_topology(node_id id,
                                               const configuration& members);

} // namespace neuroplex::raft
