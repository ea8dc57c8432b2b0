#include "actors/shard_actor.hpp"

#include "actors/clock.hpp"

namespace neuroplex::actors {

namespace {

struct shard_state {
  std::shared_ptr<shard_core> core;
  static inline const char* name = "shard";
};

shard_actor::behavior_type shard(actor_pointer<shard_actor, shard_state> self,
                                 std::shared_ptr<shard_core> core) {
  state_of(self).core = std::move(core);
  drop_unexpected(self);
  return {
    [self](apply_atom, const request& what) {
      return state_of(self).core->apply(what, unix_ms());
    },
    [self](batch_atom, const batch_request& what) {
      return state_of(self).core->apply(what, unix_ms());
    },
    [self](stats_atom) { return state_of(self).core->report(); },
  };
}

} // namespace

shard_actor spawn_shard(caf::actor_system& system,
                        std::shared_ptr<shard_core> core,
                        std::size_t mailbox_messages) {
  return spawn_bounded<shard_actor, shard_state>(
    system, mailbox_messages,
    [core = std::move(core)](actor_pointer<shard_actor, shard_state> self) {
      return shard(self, core);
    });
}

} // namespace neuroplex::actors
