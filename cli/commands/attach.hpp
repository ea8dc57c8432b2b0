// `neuroplex attach`: a look into a segment of this machine, without a node.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `attach FILE [stats|namespaces|get|scan|verify]`.
void add_attach(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
