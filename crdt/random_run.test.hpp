// Random runs of replicas, for the tests of all types.
//
// A run is a class with `take(step)`, which does one thing and looks at what
// came of it, and `finish()`. RapidCheck is behind two functions, so that it is
// compiled once and not for each type.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

namespace neuroplex::crdt {

/// What, by whom, and two arguments.
using step = std::tuple<std::uint8_t, std::uint8_t, std::uint8_t, std::uint8_t>;

/// Counts a delta, a state or an operation that was given to a replica.
void count_merge();

/// Ends a run for which `condition` does not hold: the steps are made fewer,
/// and shown.
void require(bool condition, const char* text, const char* file, int line);

#define NEUROPLEX_HOLDS(...)                                                   \
  ::neuroplex::crdt::require(bool(__VA_ARGS__), #__VA_ARGS__, __FILE__,        \
                             __LINE__)

/// Whether `run` ends well for random steps. Tells how many merges that took.
[[nodiscard]] bool holds_for_random_steps(
  const std::string& what,
  const std::function<void(const std::vector<step>&)>& run);

template <class Run>
[[nodiscard]] bool holds_for_random_runs(const std::string& what) {
  return holds_for_random_steps(what, [](const std::vector<step>& steps) {
    Run run;
    for (const auto& one : steps)
      run.take(one);
    run.finish();
  });
}

} // namespace neuroplex::crdt
