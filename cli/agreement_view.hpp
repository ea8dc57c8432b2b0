// What nodes agree on, for people and for programs.
#pragma once

#include "actors/messages.hpp"
#include "cli/facts.hpp"

#include <nlohmann/json.hpp>

namespace neuroplex::cli {

[[nodiscard]] nlohmann::ordered_json
agreement_json(const actors::agreement_report& report);

/// Leader, term and lag, a line each; nothing when nothing is agreed on.
void add_agreement(fact_list& facts, const actors::agreement_report& report);

/// A table of the groups, where there are several.
void show_groups(context& ctx, const actors::agreement_report& report);

/// A table of the members of a group; 0: of the first.
void show_members(context& ctx, const actors::agreement_report& report,
                  std::uint64_t which);

} // namespace neuroplex::cli
