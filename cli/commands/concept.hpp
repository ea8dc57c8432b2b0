// `neuroplex concept`: a graph of concepts in a folder.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `concept` with `load`, `path`, `neighbors`, `spread`, `search`,
/// `explain` and `stats`.
void add_concept(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
