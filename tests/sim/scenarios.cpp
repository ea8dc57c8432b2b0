#include "tests/sim/scenarios.hpp"

#include "tests/sim/crdt/world.hpp"
#include "tests/sim/hybrid/world.hpp"
#include "tests/sim/pbft/world.hpp"
#include "tests/sim/raft/world.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::sim {

std::span<const scenario> all_scenarios() noexcept {
  static const std::array<scenario, 4> all{{
    {"raft", run_raft, raft_mistakes(), "entries committed"},
    {"pbft", run_pbft, pbft_mistakes(), "batches executed"},
    {"hybrid", run_hybrid, hybrid_mistakes(), "switches"},
    {"crdt", run_crdt, crdt_mistakes(), "changes acknowledged"},
  }};
  return all;
}

const scenario* find_scenario(std::string_view name) noexcept {
  auto all = all_scenarios();
  auto found = std::find_if(all.begin(), all.end(), [&](const scenario& one) {
    return one.name == name;
  });
  return found == all.end() ? nullptr : &*found;
}

} // namespace neuroplex::sim
