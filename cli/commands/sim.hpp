// `neuroplex sim`: whole groups of nodes in virtual time.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `sim`.
void add_sim(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
