// The scenarios: a few threads with a few operations each, and how far their
// interleavings are searched.
#pragma once

#include "tests/museum/world.hpp"
#include "tests/schedule/explorer.hpp"

#include <functional>
#include <span>
#include <string>

namespace neuroplex::museum {

/// One thread of a scenario.
struct role {
  std::function<void(world&)> body;
  bool mortal = false;
};

/// A thread that recovers `dead`, if it died, however often helpers die.
inline role recovers(unsigned self, unsigned dead, bool mortal = false) {
  return {[self, dead](world& w) {
            if (w.threads().await_end(dead))
              w.recover(self, dead);
          },
          mortal};
}

struct scenario {
  std::string name;
  std::string sentence; ///< what it shows, as a sentence that is true
  std::function<void(world&)> prepare;
  std::vector<role> roles;
  schedule::bounds within;
  std::size_t samples = 6'000; ///< random runs
  unsigned deaths = 0;         ///< at most so many threads die in one of them
  std::uint32_t pages = 8;
  std::uint32_t index_groups = 1; ///< that the index begins with
  std::uint64_t most_steps = 20'000;
  bool modelled = true; ///< false: see scheduler::run
};

/// All of them; the one that a bug was found without comes first.
const std::vector<scenario>& all_scenarios();

/// Those of them that are about a full or a growing index.
std::vector<scenario> index_scenarios();

} // namespace neuroplex::museum
