// What a new view begins with, from what a quorum says it had done.
//
// Purpose: the decision procedure of Castro and Liskov, "Practical Byzantine
// Fault Tolerance and Proactive Recovery" (TOCS 2002, section 3.2.4, figure 3):
// which batch, or none, stands at each sequence number above the last stable
// checkpoint. No claim is believed for what it says alone: one of having
// prepared counts only while a quorum says nothing against it and a weak quorum
// says that it pre-prepared the same; a claim that fails leaves the choice to
// the others.
//
// Threads: pure functions.
//
// Invariants: equal lists of view-changes, in any order, give equal choices; a
// batch that a correct replica may have executed is chosen.
//
// Failure behaviour: nothing is answered while more view-changes are needed.
#pragma once

#include "consensus/pbft/message.hpp"

#include <optional>
#include <span>

namespace neuroplex::pbft {

struct view_start {
  stable_proof stable{};
  /// For each sequence number after the checkpoint, in order. The digest of the
  /// null request where nothing can have been executed.
  std::vector<claim> chosen{};
};

/// `proofs` are valid view-changes of different replicas for one view.
[[nodiscard]] std::optional<view_start>
choose_start(std::span<const view_change> proofs, std::size_t quorum,
             std::size_t weak_quorum, const digest& null_request);

} // namespace neuroplex::pbft
