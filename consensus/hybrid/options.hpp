// Settings of one hybrid group's replicas, and what makes a set of them
// impossible.
//
// Purpose: everything that a core does by choice. All of a group must have the
// same values, but for `agreement.id`.
//
// Threads: plain values.
//
// Invariants: those that `validate` checks. What Raft is told about members,
// ids and faults follows from `agreement`.
//
// Failure behaviour: `errc::config` with one line that names the option.
#pragma once

#include "consensus/hybrid/limits.hpp"
#include "consensus/hybrid/trust.hpp"
#include "consensus/pbft/options.hpp"
#include "consensus/raft/options.hpp"

namespace neuroplex::hybrid {

struct options {
  pbft::options agreement{};
  raft::options raft{};
  trust_options trust{};

  /// A leader that is not heard for so long is suspected.
  time leader_timeout = std::chrono::seconds{1};

  /// Whether this replica ever votes for Raft. A group of replicas that never
  /// do is one by PBFT.
  bool votes_for_raft = true;

  /// How long all must have been trusted before this replica votes for Raft;
  /// doubles with each epoch by Raft that ended in distrust.
  time calm = std::chrono::seconds{5};
  time longest_calm = std::chrono::minutes{10};

  /// After so many entries an epoch by Raft ends: nothing is compacted in it.
  std::size_t max_epoch_entries = 65'536;

  /// `errc::config` unless a replica can work with these.
  [[nodiscard]] expected<void> validate() const;

  /// Of this epoch's Raft node.
  [[nodiscard]] raft::options raft_options(epoch_number epoch) const;
};

} // namespace neuroplex::hybrid
