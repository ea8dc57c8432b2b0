// `neuroplex doctor`: whether this machine can run a node well, and the fix
// where it cannot.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `doctor`.
void add_doctor(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
