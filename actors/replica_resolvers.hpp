// What resolves values that were written at the same time, by name.
//
// Purpose: a program hands its own to node::start; a namespace with replicas
// says which is its (`resolver=NAME`). "last" is there without being named:
// what was written last, by the hybrid clocks of the writers.
//
// Threads: resolvers are called by threads of the node, and must be pure
// functions, alike on all nodes.
//
// Failure behaviour: one that throws, or answers a value that is too long,
// fails the wish to resolve, which has changed nothing then.
#pragma once

#include "crdt/conflict_resolver.hpp"

#include <map>
#include <string>

namespace neuroplex::actors {

using replica_resolvers =
  std::map<std::string, crdt::conflict_resolver<std::string>>;

} // namespace neuroplex::actors
