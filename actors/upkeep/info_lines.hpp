// The figures of upkeep as names and values, as INFO of the gateway shows them.
//
// Threads: pure.
#pragma once

#include "actors/upkeep/report.hpp"

#include <string>
#include <utility>
#include <vector>

namespace neuroplex::upkeep {

/// One line a figure; a task has one line for all of its own.
[[nodiscard]] std::vector<std::pair<std::string, std::string>>
info_lines(const upkeep_report& report);

} // namespace neuroplex::upkeep
