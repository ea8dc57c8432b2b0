// neuroplex raft: who agrees, and an operator's wishes about it.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

void add_raft(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
