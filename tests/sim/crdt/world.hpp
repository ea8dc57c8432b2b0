// Replicas of a set in a simulated world.
//
// Purpose: the scenario `crdt`: 3 to 64 machines, each with a replica of one
// add-wins set that clients change at any of them, and that tell each other by
// `delta_synchronizer`. Machines and links fail; then all is mended, and all
// replicas must come to one state in which nothing that was acknowledged to a
// client lacks, with nothing left in a buffer.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/scenario.hpp"

namespace neuroplex::sim {

[[nodiscard]] run_result run_crdt(const run_request& asked);

/// Names of what can be done wrong on purpose: a driver that tells others of a
/// change, or of having it, before its disk does.
[[nodiscard]] std::string_view crdt_mistakes() noexcept;

} // namespace neuroplex::sim
