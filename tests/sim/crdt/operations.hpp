// Types whose operations travel, in a simulated world.
//
// Purpose: part of the scenario `crdt`: machines with a counter or a set of
// `crdt/operation_types.hpp`, each with a log of the operations that it was
// told or made, which is all that outlives a crash. Who starts again takes a
// new incarnation and delivers its log anew. Machines ask each other for what
// they lack. In the end all must have delivered the same, with all that was
// acknowledged, and show what a specification over all operations says.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/scenario.hpp"

#include <cstddef>

namespace neuroplex::sim {

/// Types that there are: a counter and a set.
inline constexpr std::size_t operation_subjects = 2;

/// `subject` is one of them, from 0.
[[nodiscard]] run_result run_operations(std::size_t subject,
                                        const run_request& asked);

} // namespace neuroplex::sim
