// Changes of membership as pure functions: configuration in, configuration out.
//
// Purpose: which configuration follows from which change, and which change is
// refused. When a change may be made at all is the core's business.
//
// Threads: pure functions.
//
// Invariants:
//  1. Whatever comes out has at least one voter, no id in two roles but an
//     outgoing one, sorted lists, and at most limits::max_members members.
//  2. A simple change alters at most one voter, so that the majorities of
//     before and after overlap; all other changes go through a joint
//     configuration.
//  3. A voter that is demoted in a joint configuration keeps its outgoing vote
//     and becomes a learner when the configuration is left.
//
// Failure behaviour: `errc::bad_argument` with the reason.
#pragma once

#include "consensus/raft/types.hpp"

#include "memory/status.hpp"
#include <span>

namespace neuroplex::raft {

enum class change_kind : std::uint8_t { add_voter, add_learner, remove };

/// One step of a change. Id 0 is ignored.
struct member_change {
  change_kind kind = change_kind::add_voter;
  node_id id = nobody;
  incarnation_number incarnation = 0;

  friend bool operator==(const member_change&, const member_change&) = default;
};

enum class change_transition : std::uint8_t {
  automatic,      ///< simple if it can be, else joint and left automatically
  joint_implicit, ///< joint, left automatically
  joint_explicit, ///< joint, left when asked to
};

/// Alters at most one voter, and any number of learners, at once.
[[nodiscard]] expected<configuration>
simple_change(const configuration& before,
              std::span<const member_change> changes);

/// The joint configuration that leads to the changed one.
[[nodiscard]] expected<configuration>
enter_joint(const configuration& before, std::span<const member_change> changes,
            bool auto_leave);

[[nodiscard]] expected<configuration> leave_joint(const configuration& before);

/// What a request for these changes leads to first. No changes: leave.
[[nodiscard]] expected<configuration>
next_configuration(const configuration& before,
                   std::span<const member_change> changes,
                   change_transition transition);

/// Whether invariant 1 holds, for a configuration that came from outside. An
/// empty one is well formed: a node that is to be added has it.
[[nodiscard]] bool well_formed(const configuration& members) noexcept;

[[nodiscard]] const member* find_member(std::span<const member> list,
                                        node_id id) noexcept;

/// Whether this very disk may be counted as a voter.
[[nodiscard]] bool is_voter(const configuration& members, member who) noexcept;

/// Ids of all members, sorted, each once.
[[nodiscard]] std::vector<node_id> member_ids(const configuration& members);

/// Highest incarnation that the configuration names for an id; 0 without one.
[[nodiscard]] incarnation_number
newest_incarnation(const configuration& members, node_id id) noexcept;

} // namespace neuroplex::raft
