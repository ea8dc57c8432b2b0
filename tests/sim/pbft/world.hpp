// A PBFT group, its clients and its liars, in a simulated world.
//
// Purpose: the scenario `pbft`: up to f replicas lie and a client may, machines
// and links fail; then all but the liars are mended, and the group must go on.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/scenario.hpp"

namespace neuroplex::sim {

[[nodiscard]] run_result run_pbft(const run_request& asked);

/// Names of what can be done wrong on purpose. `too_many_liars` makes f + 1
/// that collude, which no protocol can bear.
[[nodiscard]] std::string_view pbft_mistakes() noexcept;

} // namespace neuroplex::sim
