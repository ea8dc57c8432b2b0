// `neuroplex cluster`: a cluster for development, all on this machine.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `cluster`.
void add_cluster(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
