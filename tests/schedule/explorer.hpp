// Searching through the runs of a scenario: all those near the plain one, or
// many far from it.
//
// Purpose: three choosers for the scheduler and the loops around them.
//
// `search` tries every run that differs from the plain one (threads one after
// another, newest values, nobody dies) in a few answers, fewest first: so many
// preemptions, spells of old values and deaths as the bounds allow (preemption
// bounding: Musuvathi and Qadeer, "Iterative Context Bounding for Systematic
// Testing of Multithreaded Programs", PLDI 2007). What it finds first is the
// shortest way to go wrong.
//
// `sample` runs from seeds with random priorities that change at a few random
// points (Burckhardt, Kothari, Musuvathi, Nagarakatti, "A Randomized Scheduler
// with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010), random spells
// of old values, and deaths at random stores.
//
// `replay` repeats a run from the answers that were not the plain ones, which
// is what the other two name when a run fails.
//
// Threads: one.
#pragma once

#include "tests/schedule/scheduler.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::schedule {

/// An answer other than 0.
struct deviation {
  std::uint32_t ordinal = 0;
  unsigned answer = 0;
};

using plan = std::vector<deviation>;

/// "17:1,45:2"; the plain run is "-".
std::string to_text(const plan& answers);
std::optional<plan> parse_plan(std::string_view text);

/// Runs the scenario once from its beginning; answers what went wrong.
using run_once = std::function<std::string(chooser&)>;

struct bounds {
  unsigned preemptions = 2;
  unsigned spells = 1; ///< of old values
  unsigned deaths = 0;
  unsigned together = 2; ///< of all kinds, in one run
  std::size_t most_runs = 12'000;
};

struct finding {
  std::string what;
  plan answers;
  std::optional<std::uint64_t> seed; ///< of a sampled run
};

struct summary {
  std::size_t runs = 0;
  /// How far the search is complete: every run with so many answers that are
  /// not plain ones was tried.
  unsigned complete = 0;
  std::optional<finding> found;
};

summary search(const run_once& run, const bounds& within);

/// What may happen in a sampled run.
struct dangers {
  unsigned deaths = 0; ///< at most so many threads die
  bool spells = true;  ///< of old values
};

summary sample(const run_once& run, std::uint64_t first_seed,
               std::size_t run_count, const dangers& may_happen);

std::string replay(const run_once& run, const plan& answers);

} // namespace neuroplex::schedule
