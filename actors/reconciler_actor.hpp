// Brings what was learnt to the snapshots that readers see.
//
// Purpose: the thread of a concept memory. A step waits for work, an interval
// at most, and takes a batch; then the writer hears of it.
//
// Ownership: shares the access.
//
// Failure behaviour: when the disk failed it takes nothing more, and the report
// of the memory says why.
#pragma once

#include "actors/concept_access.hpp"

namespace neuroplex::actors {

reconciler_actor spawn_reconciler(caf::actor_system& system,
                                  std::shared_ptr<concept_access> access);

} // namespace neuroplex::actors
