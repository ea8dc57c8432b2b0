// neuroplex watch: what changes in keys that nodes agree on, as it changes.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

void add_watch(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
