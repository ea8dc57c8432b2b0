// `neuroplex bench trace`: a trace of real accesses played against a policy.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `trace` to `bench`.
void add_bench_trace(CLI::App& bench, context& ctx);

} // namespace neuroplex::cli
