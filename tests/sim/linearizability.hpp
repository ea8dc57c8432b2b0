// Whether one order of its operations explains a history.
//
// Purpose: a history of a map of registers is linearizable when its operations
// can be put in an order that keeps each before those which were called after
// its answer, and in which every read sees the last write. Keys are judged
// alone, which is enough (Herlihy and Wing, "Linearizability", TOPLAS 1990,
// theorem 1). The search is that of Wing and Gong, which remembers the
// (operations placed, value) pairs that led nowhere (Lowe, "Testing for
// linearizability", 2017). Before it, operations without a known outcome whose
// value nobody saw are left out: that they never took effect is allowed.
//
// Threads: plain function.
//
// Failure: a search that takes longer than `max_search_steps` for a key is
// undecided, which is counted and never reported as a violation.
#pragma once

#include "tests/sim/history.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::sim {

inline constexpr std::uint64_t max_search_steps = 2'000'000;

struct judgement {
  std::string violation; ///< empty if there is an order
  std::uint64_t undecided_keys = 0;
  std::uint64_t steps = 0;
};

[[nodiscard]] judgement judge(const history& told);

} // namespace neuroplex::sim
