#include "actors/maintenance_actor.hpp"

#include "actors/limits.hpp"

#include <map>

namespace neuroplex::actors {

namespace {

struct maintenance_state {
  memory::store* store = nullptr;
  std::map<memory::namespace_id, memory::scan_cursor> cursors;
  static inline const char* name = "maintenance";
};

// Failures are left to the next round: a segment that stays damaged shows in
// its statistics, and nothing is gained by ending the actor.
void work(maintenance_state& state) {
  static_cast<void>(state.store->recover());
  for (const auto& space : state.store->namespaces()) {
    auto& cursor = state.cursors[space.id];
    std::size_t removed = 0;
    auto outcome = state.store->sweep_expired(space.id, cursor,
                                              limits::sweep_entries, removed);
    if (outcome != errc::ok || cursor.done())
      cursor = {};
  }
}

maintenance_actor::behavior_type
maintenance(actor_pointer<maintenance_actor, maintenance_state> self,
            memory::store& store) {
  state_of(self).store = &store;
  drop_unexpected(self);
  tell(self, maintenance_actor{self}, pulse_atom_v);
  return {
    [self](pulse_atom) {
      work(state_of(self));
      tell_after(self, milliseconds{limits::maintenance_period_ms},
                 maintenance_actor{self}, pulse_atom_v);
    },
  };
}

} // namespace

maintenance_actor spawn_maintenance(caf::actor_system& system,
                                    memory::store& store) {
  return system.spawn(
    [&store](actor_pointer<maintenance_actor, maintenance_state> self) {
      return maintenance(self, store);
    });
}

} // namespace neuroplex::actors
