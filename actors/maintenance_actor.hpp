// Keeps a segment tidy while its node runs.
//
// Purpose: several times a second cleans up after participants that died, and
// sweeps a stretch of each namespace for expired entries.
//
// Ownership: refers to a store that outlives it.
#pragma once

#include "actors/interfaces.hpp"
#include "memory/store.hpp"

namespace neuroplex::actors {

maintenance_actor spawn_maintenance(caf::actor_system& system,
                                    memory::store& store);

} // namespace neuroplex::actors
