// The actor of a node's part in agreement.
//
// Purpose: the messages' way to the groups of a node, and an operator's. The
// groups themselves run in threads of their own (actors/agreement by Raft,
// actors/byzantine by PBFT and the hybrid): a mailbox between socket and disk
// would cost more than either. It calls itself `raft_peer`, `pbft_peer` or
// `hybrid_consensus`.
//
// Ownership and threads: `agreement_access` is shared by the node, the actor
// and the gateway; all of it may be used by any thread. The actor never blocks.
//
// Invariants:
//  1. Every request is answered by its deadline. `unknown_outcome` is a write
//     that may have been applied; `unavailable` one that was not.
//  2. A write is applied once, whatever happens to leaders meanwhile.
//
// Failure behaviour: what cannot be given on such a namespace is refused with
// `bad_argument` and the reason in `value`.
#pragma once

#include "actors/agreement/host.hpp"
#include "actors/byzantine/host.hpp"
#include "actors/interfaces.hpp"

#include <memory>
#include <set>
#include <string>

namespace neuroplex::actors {

/// The agreement of a node, for all who use it.
struct agreement_access {
  agreement_access(std::unique_ptr<agreement::host> by_raft,
                   std::set<std::string, std::less<>> names)
    : raft{by_raft.get()}, host{std::move(by_raft)}, spaces{std::move(names)} {
  }

  agreement_access(std::unique_ptr<byzantine::host> by_others,
                   agreement::protocol protocol,
                   std::set<std::string, std::less<>> names)
    : how{protocol}, byzantine{by_others.get()}, host{std::move(by_others)},
      spaces{std::move(names)} {
  }

  agreement::protocol how = agreement::protocol::raft;
  // What `host` is: one of these is null.
  agreement::host* raft = nullptr;
  byzantine::host* byzantine = nullptr;
  std::unique_ptr<agreement::service> host;
  std::set<std::string, std::less<>> spaces; ///< that are agreed on

  /// Whether a namespace is one of them.
  [[nodiscard]] bool keeps(std::string_view space) const {
    return spaces.contains(space);
  }
};

/// The state of it all as a report; empty and not enabled for null.
[[nodiscard]] agreement_report
report_of(const std::shared_ptr<agreement_access>& access);

agreement_peer_actor spawn_agreement_peer(
  caf::actor_system& system, std::shared_ptr<agreement_access> access,
  std::uint32_t mailbox_messages, const message_limits& most);

} // namespace neuroplex::actors
