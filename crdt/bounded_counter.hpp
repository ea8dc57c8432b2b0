// A counter that never goes below zero, though no replica asks another.
//
// Purpose: rights to decrement are handed out beforehand. Who increments gets
// as many rights; they can be given away, and only who has them may decrement.
//
// Source: Balegas et al., "Extending eventually consistent cloud databases for
// enforcing numeric invariants" (SRDS 2015), section 4.
//
// Invariants:
//  1. The value that any replica sees is never negative. So that this holds for
//     deltas in any order too, a delta that uses rights carries where all of
//     them came from: its size grows with the pairs of replicas that gave.
//  2. A replica writes its own increments, gifts and decrements only.
//
// Failure behaviour: without rights a decrement is refused with `errc::busy`;
// others may have some to give.
#pragma once

#include "crdt/counters.hpp"

namespace neuroplex::crdt {

/// Rights by (giver, receiver), where increments are gifts to oneself; and what
/// each replica used.
struct rights_ledger : product<map_of<std::pair<replica_id, replica_id>, tally>,
                               map_of<replica_id, tally>> {
  /// Refuses what would name more replicas or pairs of them than there may be.
  [[nodiscard]] expected<void> check(const rights_ledger& other) const;

  [[nodiscard]] static rights_ledger read(decoder& in);
};

class bounded_counter : public state<bounded_counter, rights_ledger> {
public:
  [[nodiscard]] expected<bounded_counter> increment(replica_id by,
                                                    std::int64_t amount = 1);
  [[nodiscard]] expected<bounded_counter> decrement(replica_id by,
                                                    std::int64_t amount = 1);

  /// Gives rights of `by` to `to`.
  [[nodiscard]] expected<bounded_counter> transfer(replica_id by, replica_id to,
                                                   std::int64_t amount);

  /// How much `who` may decrement without asking anybody.
  [[nodiscard]] wide_integer rights_of(replica_id who) const;

  [[nodiscard]] wide_integer value() const;

private:
  [[nodiscard]] expected<void> check_rights(replica_id who,
                                            std::int64_t amount) const;
  [[nodiscard]] expected<bounded_counter> give(replica_id by, replica_id to,
                                               std::int64_t amount);
};

} // namespace neuroplex::crdt
