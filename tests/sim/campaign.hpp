// Many runs of a scenario: repeated, summed up, and shrunk where they fail.
//
// Purpose: runs a range of seeds. Every twentieth runs twice, and both trace
// hashes must agree. A run that fails is shrunk: kinds of faults are forbidden
// one after the other, then faults strike for a shorter time, as long as the
// same property still breaks. What is left is printed as one command.
//
// Threads: one at a time.
//
// Failure: `passed` is false when a run failed, or two runs of a seed differed,
// or a campaign of many seeds never reached something that it counts, or more
// than one run in a hundred was slow to recover.
#pragma once

#include "tests/sim/scenario.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::sim {

inline constexpr std::uint64_t usually_repeat_every = 20;

/// From this many seeds on, whatever is counted must have happened.
inline constexpr std::uint64_t seeds_that_reach_everything = 500;

/// In a hundred runs all but one recover within this share of the longest
/// election timeout, in thousandths. Chance may split the votes of a few.
inline constexpr std::uint64_t most_usual_recovery_ppt = 2'000;

struct campaign_settings {
  scenario what{};
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 1;
  run_request request{}; ///< of each run, but for its seed
  std::uint64_t most_failures = 3;
  std::uint64_t repeat_every = usually_repeat_every;
  /// Told of the runs so far; false ends the campaign.
  std::function<bool(std::uint64_t)> on_run{};
};

struct campaign_result {
  std::uint64_t runs = 0;
  std::uint64_t failures = 0;
  std::uint64_t first_failing_seed = 0;
  std::string first_failure; ///< or how two runs of a seed differ
  std::uint64_t repeated = 0;
  std::uint64_t hash = 0; ///< of all trace hashes
  std::uint64_t events = 0;
  nanoseconds simulated{0};
  nanoseconds spent{0}; ///< processor time
  std::map<std::string, std::uint64_t> counts;
  std::vector<std::uint64_t> recoveries_ppt;
  /// What a campaign of many seeds lacks though no run of it failed.
  std::vector<std::string> shortcomings;
  bool passed = true;
};

/// Prints failures as they come, if more than one is looked for.
[[nodiscard]] campaign_result run_campaign(const campaign_settings& settings);

/// Of the run that goes on now, for who must tell why the process ends.
[[nodiscard]] std::uint64_t seed_under_way() noexcept;

void print_figures(const campaign_result& result);

/// The smallest request found that breaks the same property.
[[nodiscard]] run_request shrink(const scenario& what,
                                 const run_request& failing,
                                 const run_result& failed);

/// The command that repeats a request.
[[nodiscard]] std::string command_for(const scenario& what,
                                      const run_request& asked);

} // namespace neuroplex::sim
