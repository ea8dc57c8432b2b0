// The actor that drives one worker of upkeep.
//
// Purpose: a step when asked, and by itself when it keeps its own time: at its
// interval, and at once again while a step leaves work undone. expiry_actor,
// recovery_actor, compactor_actor and backup_actor are this, each with a worker
// of its own (actors/upkeep/worker.hpp).
//
// Ownership: shares the worker, which keeps settings and figures over restarts.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/upkeep/worker.hpp"

#include <memory>

namespace neuroplex::actors {

/// Whose clock begins the steps.
enum class pacing : std::uint8_t {
  by_itself, ///< at the worker's interval
  by_others, ///< only when asked, as by the gc_actor
};

/// A worker that waits for the disk needs `apart`: a thread of its own.
enum class placing : std::uint8_t { among_others, apart };

upkeep_actor spawn_upkeep(caf::actor_system& system,
                          std::shared_ptr<upkeep::worker> worker,
                          pacing paced = pacing::by_itself,
                          placing placed = placing::among_others);

} // namespace neuroplex::actors
