// Replicas of any type of `crdt/` in a simulated world.
//
// Purpose: the scenario `crdt`: 3 to 64 machines, each with a replica of one
// value, of a type that the seed draws, that clients change at any of them, and
// that tell each other by `delta_synchronizer`. Machines and links fail, half
// of all messages may be lost, machines leave, lose their disks, and come back
// as new incarnations. Then all is mended, and all members must come to one
// state that has all that was acknowledged to a client and nothing that nobody
// did, with nothing left in a buffer.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/scenario.hpp"

namespace neuroplex::sim {

[[nodiscard]] run_result run_crdt(const run_request& asked);

/// Names of what a driver can do wrong on purpose (`crdt_mistakes_made`).
[[nodiscard]] std::string_view crdt_mistakes() noexcept;

} // namespace neuroplex::sim
