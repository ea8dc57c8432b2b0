// The actor that lets the optimizer look at the statistics at its interval.
//
// Ownership: shares the parts, which outlive it and keep mode and advice.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/upkeep/parts.hpp"

#include <memory>

namespace neuroplex::actors {

optimizer_actor spawn_optimizer(caf::actor_system& system,
                                std::shared_ptr<upkeep::parts> parts);

} // namespace neuroplex::actors
