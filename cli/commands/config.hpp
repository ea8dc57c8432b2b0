// `neuroplex config`: what a node would be told, and by whom.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `config show|explain|validate|sample`.
void add_config(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
