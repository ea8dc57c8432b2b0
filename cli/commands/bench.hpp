// `neuroplex bench`: what one operation on a segment costs on this machine.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `bench`.
void add_bench(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
