// `neuroplex concept`: a graph of concepts in a folder or a node.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `concept` with what it learns, what it answers and what it changes.
void add_concept(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
