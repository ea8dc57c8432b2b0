// Counters that every replica may change: one that grows, and one that goes
// both ways.
//
// Source: Shapiro, Preguica, Baquero, Zawirski, "A comprehensive study of
// convergent and commutative replicated data types" (2011), specifications 6
// and 7.
//
// Invariants: a replica writes its own share only, each direction from 0 to
// 2^63 - 1; the value is a 128-bit sum, which cannot overflow.
//
// Failure behaviour: a change that leaves its share's range is refused with
// `errc::overflow` and changes nothing.
#pragma once

#include "crdt/state.hpp"

namespace neuroplex::crdt {

__extension__ using wide_integer = __int128;

class g_counter : public state<g_counter, map_of<replica_id, tally>> {
public:
  [[nodiscard]] expected<g_counter> increment(replica_id by,
                                              std::int64_t amount = 1);

  /// The state in which `into` has taken over the share of `gone`, for good.
  /// Once what is held of `gone` is stable (`membership.hpp`): all members do
  /// it as they enter the same epoch, and who still has the old share must not
  /// be merged.
  [[nodiscard]] expected<g_counter> without(replica_id gone,
                                            replica_id into) const;

  /// What is held of `replica`, as a number to be compared.
  [[nodiscard]] expected<std::uint64_t> held_of(replica_id replica) const;

  [[nodiscard]] wide_integer value() const;
};

class pn_counter
  : public state<pn_counter, map_of<replica_id, product<tally, tally>>> {
public:
  [[nodiscard]] expected<pn_counter> increment(replica_id by,
                                               std::int64_t amount = 1);
  [[nodiscard]] expected<pn_counter> decrement(replica_id by,
                                               std::int64_t amount = 1);

  /// As that of `g_counter`.
  [[nodiscard]] expected<pn_counter> without(replica_id gone,
                                             replica_id into) const;

  /// What is held of `replica`, as a number to be compared.
  [[nodiscard]] expected<std::uint64_t> held_of(replica_id replica) const;

  [[nodiscard]] wide_integer value() const;

private:
  template <std::size_t Direction>
  [[nodiscard]] expected<pn_counter> change(replica_id by, std::int64_t amount);
};

} // namespace neuroplex::crdt
