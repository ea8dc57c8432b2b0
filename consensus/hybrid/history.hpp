// Chains of entries, and which history an epoch by Raft is found to have had.
//
// Purpose: what replicas that execute the same order to close an epoch all
// come to, as pure functions. In an epoch by Raft one replica leads, and signs
// the head of a hash chain over what it sends. Whoever stops says which head it
// accepted last; of a quorum of such words the longest chain is the history
// (after "Abstract" of Guerraoui, Knezevic, Quema and Vukolic, "The next 700
// BFT protocols", EuroSys 2010). Why that is enough: decision 29.
//
// Threads: pure functions.
//
// Invariants: equal orders give equal heads, on every replica.
//
// Failure behaviour: nothing, for an order that proves no history.
#pragma once

#include "consensus/hybrid/codec.hpp"
#include "consensus/pbft/options.hpp"

#include <optional>

namespace neuroplex::hybrid {

/// What the words about one epoch are judged by.
struct epoch_rules {
  const pbft::options& group;
  const crypto& keys;
  epoch_info where{};
  digest start{}; ///< of the chain
};

/// Before the first entry of an epoch that begins with this state.
[[nodiscard]] digest chain_start(const crypto& keys, group_id group,
                                 const epoch_info& where, const digest& root);

[[nodiscard]] digest chain_after(const crypto& keys, const digest& before,
                                 const entry& next);

/// Whether the epoch's leader vouches for it.
[[nodiscard]] bool is_vouched(const epoch_rules& rules, const head& what,
                              const signature& by_leader);

[[nodiscard]] bool is_valid(const epoch_rules& rules, const stop& what);
[[nodiscard]] bool is_valid(const epoch_rules& rules, const holding& what);

/// The longest of the chains that a quorum of replicas stopped with, if a weak
/// quorum holds its entries.
[[nodiscard]] std::optional<head> choose_history(const epoch_rules& rules,
                                                 const close_order& what);

/// An order of these words that proves as long a history as they can; nothing
/// while they prove none.
[[nodiscard]] std::optional<close_order>
compose_order(const epoch_rules& rules, std::vector<stop> stops,
              const std::vector<holding>& holdings);

} // namespace neuroplex::hybrid
