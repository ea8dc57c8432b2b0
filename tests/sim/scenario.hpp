// What can be run from a seed.
//
// Purpose: a scenario builds a world from a request, runs it to its end, and
// says what became of it. The campaign (`campaign.hpp`) runs it from many
// seeds, twice from some, and shrinks what fails.
//
// Threads: one run at a time and nothing shared between runs.
//
// Invariants: equal requests give equal results, trace hash included.
#pragma once

#include "tests/sim/dice.hpp"
#include "tests/sim/plan.hpp"

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

namespace neuroplex::sim {

struct run_request {
  std::uint64_t seed = 0;
  fault_set allowed = fault_set::all();
  /// How long faults strike, in thousandths of what the seed drew.
  std::uint32_t length_ppt = 1000;
  std::string mistake = "none"; ///< planted in the driver
  std::FILE* listener = nullptr;
  bool keep_history = false;
};

struct run_result {
  std::string failure; ///< empty if all was well
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  nanoseconds simulated{0};
  fault_set drawn;
  /// From the end of all faults to the first new success, in shares of the
  /// longest election timeout, in thousandths.
  std::uint64_t recovery_ppt = 0;
  /// What happened how often: shows whether runs reach what they are for.
  std::map<std::string, std::uint64_t> counts;
  std::string history; ///< hist-v1, if it was asked for
};

struct scenario {
  std::string_view name;
  run_result (*run)(const run_request& asked);
  std::string_view mistakes; ///< names that `run_request::mistake` may have
  std::string_view decided;  ///< that of `counts` which says that it got ahead
};

} // namespace neuroplex::sim
