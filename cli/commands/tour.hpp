// `neuroplex tour`: a cluster, real data, a crash, and the proof.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `tour`.
void add_tour(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
