// The actor that keeps the pool below its threshold and tells how full it is.
//
// Purpose: at its interval it gives entries up in bounded steps, one behind the
// other while the pool is too full, and tells its listeners when the level of
// pressure has changed. Listeners are forgotten when it is started again: they
// watch it, or join again.
//
// Ownership: shares the parts, which outlive it.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/upkeep/parts.hpp"

#include <memory>

namespace neuroplex::actors {

pressure_actor spawn_pressure(caf::actor_system& system,
                              std::shared_ptr<upkeep::parts> parts);

} // namespace neuroplex::actors
