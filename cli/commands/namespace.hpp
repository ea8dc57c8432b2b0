// neuroplex namespace: what namespaces of a segment do when memory is short.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

void add_namespace(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
