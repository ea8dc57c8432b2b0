// How many rounds of gossip it takes until all replicas have everything.
//
// Purpose: 1,024 replicas that tell each other by `delta_synchronizer`. In a
// round each talks to three others, chosen at random: it pushes what that one
// has not acknowledged and is told what it has not acknowledged itself. What is
// told in a round was known when the round began, so that nothing travels two
// steps in one. Of all messages three in ten are lost, in either direction.
// A replica passes on what was new to it.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace neuroplex::sim {

enum class rounds_start : std::uint8_t {
  healed_halves, ///< two halves, each with something that the other lacks
  single_origin, ///< one replica has something, all others nothing
};

/// The rounds of a run, which depend on the seed alone.
[[nodiscard]] std::uint64_t rounds_to_converge(rounds_start start,
                                               std::uint64_t seed);

/// Prints median, 99 % and most of `runs` runs from each start, and answers
/// whether 99 % are within 4 and 9 rounds.
[[nodiscard]] bool measure_rounds(std::uint64_t runs);

} // namespace neuroplex::sim
