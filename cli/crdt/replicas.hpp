// `neuroplex crdt status|verify|resolve`: the replicas of a node.
#pragma once

#include "cli/context.hpp"

namespace CLI {
class App;
}

namespace neuroplex::cli {

void add_replica_commands(CLI::App& crdt, context& ctx);

} // namespace neuroplex::cli
