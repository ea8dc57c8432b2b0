#include "actors/pool_actor.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

struct pool_state {
  std::shared_ptr<upkeep::parts> parts;
  std::shared_ptr<lease_holders> holders;
  std::uint64_t pulse = 0;   // number of the latest that is under way
  std::int64_t wakes_ms = 0; // when it comes, Unix time; 0: none is
  death_watch watch;
  static inline const char* name = "pool";
};

using pool_pointer = actor_pointer<pool_actor, pool_state>;

// Wakes when the next lease ends; with none that ends by time, not at all. A
// timer that comes early enough already serves for later ends too, so that
// leases that come and go leave no timers behind.
void schedule(pool_pointer self) {
  auto& state = state_of(self);
  auto end_ms = state.parts->loans().next_end_ms();
  if (end_ms == 0 || (state.wakes_ms != 0 && state.wakes_ms <= end_ms))
    return;
  state.wakes_ms = end_ms;
  tell_after(self, milliseconds{std::max<std::int64_t>(end_ms - unix_ms(), 1)},
             pool_actor{self}, pulse_atom_v, ++state.pulse);
}

void forget(pool_state& state, std::uint64_t number) {
  state.parts->loans().end_holder(number);
  state.holders->by_number.erase(number);
}

void watch(pool_pointer self, std::uint64_t number,
           const caf::strong_actor_ptr& who) {
  state_of(self).watch.watch(self, who, [self, number](const caf::error&) {
    forget(state_of(self), number);
    schedule(self);
  });
}

// The number of a holder, who is watched from now on; 0 for nobody.
std::uint64_t number_of(pool_pointer self, const caf::strong_actor_ptr& who) {
  if (!who)
    return 0;
  auto& holders = *state_of(self).holders;
  auto address = caf::actor_cast<caf::actor_addr>(who);
  for (auto& [number, known] : holders.by_number)
    if (known == address)
      return number;
  auto number = ++holders.last;
  holders.by_number[number] = address;
  watch(self, number, who);
  return number;
}

caf::result<upkeep::lease> allocate(pool_pointer self, std::uint64_t bytes,
                                    std::int64_t lease_ms,
                                    const caf::strong_actor_ptr& holder) {
  auto made = state_of(self).parts->loans().allocate(
    bytes, lease_ms, number_of(self, holder), unix_ms());
  if (!made)
    return make_error(made.error());
  schedule(self);
  return *made;
}

pool_actor::behavior_type behavior(pool_pointer self,
                                   std::shared_ptr<upkeep::parts> parts,
                                   std::shared_ptr<lease_holders> holders) {
  auto& state = state_of(self);
  state.parts = std::move(parts);
  state.holders = std::move(holders);
  drop_unexpected(self);
  auto known = state.holders->by_number;
  for (auto& [number, address] : known)
    if (auto who = caf::actor_cast<caf::strong_actor_ptr>(address))
      watch(self, number, who);
    else
      forget(state, number);
  schedule(self);
  return {
    [self](allocate_atom, std::uint64_t bytes, std::int64_t lease_ms,
           const caf::strong_actor_ptr& holder) {
      return allocate(self, bytes, lease_ms, holder);
    },
    [self](deallocate_atom,
           std::uint64_t id) -> caf::result<upkeep::pool_report> {
      auto& loans = state_of(self).parts->loans();
      if (auto code = loans.deallocate(id); code != errc::ok)
        return make_error(code);
      return loans.usage();
    },
    [self](renew_atom, std::uint64_t id,
           std::int64_t lease_ms) -> caf::result<upkeep::lease> {
      auto renewed =
        state_of(self).parts->loans().renew(id, lease_ms, unix_ms());
      if (!renewed)
        return make_error(renewed.error());
      schedule(self);
      return *renewed;
    },
    [self](usage_atom) { return state_of(self).parts->loans().usage(); },
    [self](metrics_atom) {
      return state_of(self).parts->loans().performance();
    },
    [self](pulse_atom, std::uint64_t number) {
      auto& mine = state_of(self);
      if (number != mine.pulse)
        return;
      mine.wakes_ms = 0;
      mine.parts->loans().end_due(unix_ms(), limits::ended_leases_a_step);
      schedule(self);
    },
  };
}

} // namespace

pool_actor spawn_pool(caf::actor_system& system,
                      std::shared_ptr<upkeep::parts> parts,
                      std::shared_ptr<lease_holders> holders) {
  return system.spawn([parts = std::move(parts),
                       holders = std::move(holders)](pool_pointer self) {
    return behavior(self, parts, holders);
  });
}

} // namespace neuroplex::actors
