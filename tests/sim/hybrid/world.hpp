// A hybrid group, its clients and its liars, in a simulated world.
//
// Purpose: the scenario `hybrid`: the group switches between Raft and PBFT
// while up to f replicas lie, the leader among them, and machines and links
// fail; then all but the liars are mended, and the group must go on. What a
// lying leader alone told a client counts as of unknown outcome.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/scenario.hpp"

namespace neuroplex::sim {

[[nodiscard]] run_result run_hybrid(const run_request& asked);

/// Names of what can be done wrong on purpose. `too_many_liars` makes f + 1
/// that collude, which no protocol can bear.
[[nodiscard]] std::string_view hybrid_mistakes() noexcept;

} // namespace neuroplex::sim
