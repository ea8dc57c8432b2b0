// A simulated Raft group with its clients, its operator and its nemesis.
//
// Purpose: the scenario `raft`. Nodes and clients run while faults strike; then
// all is mended, and from that moment a new write must succeed soon, all
// members must come to the same state, and what was acknowledged must be there.
//
// Threads: none.
#pragma once

#include "tests/sim/scenario.hpp"

namespace neuroplex::sim {

[[nodiscard]] run_result run_raft(const run_request& asked);

/// Names of the mistakes that its driver can make.
[[nodiscard]] std::string_view raft_mistakes() noexcept;

} // namespace neuroplex::sim
