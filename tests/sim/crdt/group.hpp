// Who belongs to a simulated group of replicas, and what its clients were told.
//
// Purpose: plays the owner of the group, which takes machines out, gives them
// empty disks, takes them in again under new incarnations, and begins the
// epochs in which those that left are forgotten. And it judges in the end: the
// final state must hold all that was acknowledged and nothing that nobody did.
// Both are joins of deltas, so that it need not know the type.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "crdt/membership.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::sim {

/// What a driver of replicas does wrong on purpose.
struct crdt_mistakes_made {
  bool send_before_save = false;
  bool acknowledge_before_save = false;
  bool keep_incarnation = false; ///< of a machine whose disk was replaced
  bool ignore_epoch = false;     ///< merges what anybody sends
  bool forget_clock = false;     ///< over a restart
};

struct crdt_counts {
  std::uint64_t acknowledged = 0;
  std::uint64_t deltas = 0;
  std::uint64_t digests = 0;
  std::uint64_t refused = 0; ///< messages of another epoch
  std::uint64_t left = 0;
  std::uint64_t disks_replaced = 0;
  std::uint64_t forgotten = 0;
};

/// A replica that is forgotten, and who takes over its share of a counter.
struct crdt_retirement {
  crdt::replica_id gone;
  crdt::replica_id into;
};

template <class State>
inline constexpr bool moves_shares = requires(const State& state,
                                              crdt::replica_id id) {
  state.without(id, id);
};

template <class State>
inline constexpr bool forgets_replicas =
  moves_shares<State> || requires(const State& state, crdt::replica_id id) {
  state.without(id);
};

template <class State>
expected<State> forget(const State& state, const crdt_retirement& what) {
  if constexpr (moves_shares<State>)
    return state.without(what.gone, what.into);
  else if constexpr (forgets_replicas<State>)
    return state.without(what.gone);
  else
    return state;
}

template <class State>
bool includes(State state, const auto& part) {
  auto before = state;
  return state.merge(part) && state == before;
}

/// What is judged in the end.
template <class State>
struct crdt_ledger {
  State acknowledged; ///< to clients
  State made;         ///< acknowledged or not
  crdt_counts counts;

  /// `held` is the state of a member, which holds all that there is of who is
  /// forgotten.
  void forgotten(const crdt_retirement& what, const State& held) {
    auto merged = acknowledged.merge(held);
    NEUROPLEX_ENSURE(merged && made.merge(held));
    // A dot that is known to be dead does no harm; a share would count twice.
    if constexpr (moves_shares<State>) {
      acknowledged = *forget(acknowledged, what);
      made = *forget(made, what);
    }
  }

  /// Empty when the state is what it must be.
  [[nodiscard]] std::string judge(const State& state) const {
    auto with_all = state;
    if (!with_all.merge(acknowledged) || with_all.value() != state.value())
      return "an acknowledged change is lost, or undone";
    auto everything = made;
    if (!everything.merge(state) || everything.value() != made.value())
      return "a replica has what nobody did";
    return {};
  }
};

/// The owner's view.
struct crdt_group {
  crdt::membership members;
  std::vector<crdt_retirement> retired; ///< in the order of their epochs
};

} // namespace neuroplex::sim
