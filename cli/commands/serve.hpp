// `neuroplex serve`: a node in this process, until it is told to end.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `serve`.
void add_serve(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
