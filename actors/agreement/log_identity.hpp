// Whose log a node's log is.
//
// Purpose: one rule for all protocols, so that a log is never taken for that of
// another cluster.
//
// Threads: pure function.
//
// Failure behaviour: none.
#pragma once

#include "consensus/raft/types.hpp"
#include "storage/log/durable_log.hpp"

#include <string>

namespace neuroplex::agreement {

[[nodiscard]] storage::log_identity log_identity_of(const std::string& cluster,
                                                    raft::node_id node);

} // namespace neuroplex::agreement
