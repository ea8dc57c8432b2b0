// `neuroplex cert`: the cluster's own authority and its node certificates.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `cert ca|node|show`.
void add_cert(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
