// The actor that decides when recovery, expiry and compaction run.
//
// Purpose: carries out the plan (actors/upkeep/gc_plan.hpp): asks the worker of
// each chore that is due for a step, and tells the plan how it went. Its
// workers are told to it by messages, again whenever one is started again.
//
// Ownership: shares the parts, which outlive it and keep plan and settings.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/upkeep/parts.hpp"

#include <memory>

namespace neuroplex::actors {

gc_actor spawn_gc(caf::actor_system& system,
                  std::shared_ptr<upkeep::parts> parts);

} // namespace neuroplex::actors
