// `neuroplex crdt`: replicated data types, without a node.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `crdt` with `replay`.
void add_crdt(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
