// `neuroplex load`: entries from WordNet, JSON lines or CSV.
#pragma once

#include "cli/context.hpp"

namespace neuroplex::cli {

/// Adds `load wordnet|jsonl|csv`.
void add_load(CLI::App& app, context& ctx);

} // namespace neuroplex::cli
