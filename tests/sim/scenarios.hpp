// All that can be run from a seed, by name.
#pragma once

#include "tests/sim/scenario.hpp"

#include <span>

namespace neuroplex::sim {

[[nodiscard]] std::span<const scenario> all_scenarios() noexcept;

/// Nothing if there is none of that name.
[[nodiscard]] const scenario* find_scenario(std::string_view name) noexcept;

} // namespace neuroplex::sim
