// Majorities, simple and joint, as pure functions.
//
// Purpose: the two questions that agreement asks of a configuration: up to
// which index do enough voters agree, and is a vote won, lost or open.
//
// Threads: pure functions.
//
// Invariants:
//  1. A joint configuration answers with the worse of its two halves.
//  2. An empty half agrees to everything, so that a configuration that is not
//     joint is a joint one with an empty half.
//  3. A voter is counted once per half and only if it is in it.
//
// Failure behaviour: none.
#pragma once

#include "consensus/raft/limits.hpp"
#include "consensus/raft/types.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

namespace neuroplex::raft {

enum class vote_result : std::uint8_t { pending, won, lost };

/// What one voter has answered.
enum class ballot : std::uint8_t { missing, yes, no };

/// What an empty majority agrees to: everything.
inline constexpr log_index everything = std::numeric_limits<log_index>::max();

/// More than half; where up to `faults` voters may lie, so many that two of
/// them share a voter that does not.
[[nodiscard]] constexpr std::size_t
majority_of(std::size_t voters, std::size_t faults = 0) noexcept {
  return (voters + faults) / 2 + 1;
}

/// Highest index that a majority of `voters` has reached; `reached(member)` is
/// a voter's index, 0 if it is not known.
template <class Reached>
[[nodiscard]] log_index majority_index(std::span<const member> voters,
                                       Reached&& reached,
                                       std::size_t faults = 0) {
  if (voters.empty())
    return everything;
  std::array<log_index, limits::max_members> indexes{};
  auto count = std::min(voters.size(), indexes.size());
  for (std::size_t i = 0; i < count; ++i)
    indexes[i] = reached(voters[i]);
  auto needed = std::min(majority_of(count, faults), count);
  auto nth = indexes.begin() + static_cast<std::ptrdiff_t>(count - needed);
  std::nth_element(indexes.begin(), nth,
                   indexes.begin() + static_cast<std::ptrdiff_t>(count));
  return *nth;
}

/// The same for a configuration: both halves must have got there.
template <class Reached>
[[nodiscard]] log_index joint_index(const configuration& members,
                                    Reached&& reached, std::size_t faults = 0) {
  return std::min(majority_index(members.voters, reached, faults),
                  majority_index(members.outgoing, reached, faults));
}

/// Outcome of a vote among `voters`; `cast(member)` is a voter's ballot.
template <class Cast>
[[nodiscard]] vote_result majority_vote(std::span<const member> voters,
                                        Cast&& cast, std::size_t faults = 0) {
  if (voters.empty())
    return vote_result::won;
  std::size_t yes = 0;
  std::size_t missing = 0;
  for (const auto& voter : voters) {
    auto answer = cast(voter);
    yes += answer == ballot::yes ? 1 : 0;
    missing += answer == ballot::missing ? 1 : 0;
  }
  auto needed = majority_of(voters.size(), faults);
  if (yes >= needed)
    return vote_result::won;
  return yes + missing >= needed ? vote_result::pending : vote_result::lost;
}

/// The same for a configuration: lost in one half is lost, won needs both.
template <class Cast>
[[nodiscard]] vote_result joint_vote(const configuration& members, Cast&& cast,
                                     std::size_t faults = 0) {
  auto incoming = majority_vote(members.voters, cast, faults);
  auto outgoing = majority_vote(members.outgoing, cast, faults);
  if (incoming == outgoing)
    return incoming;
  if (incoming == vote_result::lost || outgoing == vote_result::lost)
    return vote_result::lost;
  return vote_result::pending;
}

} // namespace neuroplex::raft
