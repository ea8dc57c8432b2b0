// `neuroplex get|set|del|incr|scan`: one operation on a segment or a cluster.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `get`.
void add_get(CLI::App& app, context& ctx);

/// Adds `set`.
void add_set(CLI::App& app, context& ctx);

/// Adds `del`.
void add_del(CLI::App& app, context& ctx);

/// Adds `incr`.
void add_incr(CLI::App& app, context& ctx);

/// Adds `scan`.
void add_scan(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
