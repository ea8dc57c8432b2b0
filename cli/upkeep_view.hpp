// What a node's upkeep has done, as text and as JSON.
#pragma once

#include "actors/upkeep/report.hpp"
#include "cli/facts.hpp"

#include <nlohmann/json_fwd.hpp>

namespace neuroplex::cli {

[[nodiscard]] nlohmann::ordered_json
upkeep_json(const upkeep::upkeep_report& report);

/// Pressure, evictions and advice, a line each.
void add_upkeep(fact_list& facts, const upkeep::upkeep_report& report);

/// Tables of tasks and namespaces.
void show_upkeep(context& ctx, const upkeep::upkeep_report& report);

} // namespace neuroplex::cli
