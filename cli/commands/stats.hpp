// `neuroplex stats`: the state of a node, or of a segment.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `stats`.
void add_stats(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
