// neuroplex backup: copies of a segment in a directory, and the way back.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

void add_backup(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
