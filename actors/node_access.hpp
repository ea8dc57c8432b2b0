// What a part of a node needs to reach the node itself.
//
// Purpose: the components that a node starts cannot hold a `node`, which is
// made after them; they hold this.
//
// Ownership: refers to the actor system, which outlives every component.
#pragma once

#include "actors/interfaces.hpp"

namespace neuroplex::actors {

struct node_access {
  caf::actor_system& system;
  node_actor handle;
};

} // namespace neuroplex::actors
