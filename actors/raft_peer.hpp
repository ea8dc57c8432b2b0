// The actor of a node's part in agreement.
//
// Purpose: the messages' way to the Raft groups of a node, and an operator's.
// The groups themselves run in threads of their own (actors/agreement): a
// mailbox between socket and disk would cost more than either.
//
// Ownership and threads: `raft_host_link` is shared by the node, the actor and
// the gateway; all of it may be used by any thread. The actor never blocks.
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
#include "actors/interfaces.hpp"

#include <memory>
#include <set>
#include <string>

namespace neuroplex::actors {

/// The agreement of a node, for all who use it.
struct agreement_access {
  std::unique_ptr<agreement::host> host;
  std::set<std::string, std::less<>> spaces; ///< that are agreed on

  /// Whether Raft keeps a namespace.
  [[nodiscard]] bool keeps(std::string_view space) const {
    return spaces.contains(space);
  }
};

/// The state of it all as a report; empty and not enabled for null.
[[nodiscard]] agreement_report
report_of(const std::shared_ptr<agreement_access>& access);

raft_peer_actor spawn_raft_peer(caf::actor_system& system,
                                std::shared_ptr<agreement_access> access,
                                std::uint32_t mailbox_messages,
                                const message_limits& most);

} // namespace neuroplex::actors
