#include "actors/store_actor.hpp"

#include "actors/clock.hpp"

namespace neuroplex::actors {

namespace {

struct store_state {
  memory::store* store = nullptr;
  std::shared_ptr<shard_core> core;
  static inline const char* name = "store";
};

store_actor::behavior_type store(actor_pointer<store_actor, store_state> self,
                                 memory::store& segment,
                                 std::shared_ptr<shard_core> core) {
  state_of(self).store = &segment;
  state_of(self).core = std::move(core);
  drop_unexpected(self);
  return {
    [self](apply_atom, const request& what) {
      return state_of(self).core->apply(what, unix_ms());
    },
    [self](batch_atom, const batch_request& what) {
      return state_of(self).core->apply(what, unix_ms());
    },
    [self](scan_atom, const scan_request& what) {
      return read_page(*state_of(self).store, what, unix_ms(),
                       state_of(self).core->most());
    },
    [self](space_atom, const space_request& what) {
      return apply_to_space(*state_of(self).store, what, unix_ms());
    },
    [self](stats_atom) { return state_of(self).core->report(); },
  };
}

} // namespace

store_actor spawn_store(caf::actor_system& system, memory::store& segment,
                        std::shared_ptr<shard_core> core,
                        std::size_t mailbox_messages) {
  return spawn_bounded<store_actor, store_state>(
    system, mailbox_messages,
    [&segment,
     core = std::move(core)](actor_pointer<store_actor, store_state> self) {
      return store(self, segment, core);
    });
}

} // namespace neuroplex::actors
