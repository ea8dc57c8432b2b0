#include "actors/reconciler_actor.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

struct reconciler_state {
  std::uint64_t told = 0; ///< the last sequence that the writer heard of
  static inline const char* name = "reconciler";
};

using reconciler_pointer = actor_pointer<reconciler_actor, reconciler_state>;

reconciler_actor::behavior_type
behavior(reconciler_pointer self,
         const std::shared_ptr<concept_access>& access) {
  drop_unexpected(self);
  tell(self, reconciler_actor{self}, pulse_atom_v);
  return {
    [self, access](pulse_atom) {
      auto& memory = access->memory();
      if (!memory.reconcile())
        return;
      auto& told = state_of(self).told;
      auto visible = memory.visible_sequence();
      if (visible != told || memory.problem())
        if (auto writer = access->writer())
          tell_urgently(self, writer, written_atom_v);
      told = visible;
      tell(self, reconciler_actor{self}, pulse_atom_v);
    },
  };
}

} // namespace

reconciler_actor spawn_reconciler(caf::actor_system& system,
                                  std::shared_ptr<concept_access> access) {
  // The only message that waits is its own.
  constexpr std::size_t mailbox_messages = 16;
  return spawn_bounded_apart<reconciler_actor, reconciler_state>(
    system, mailbox_messages,
    [access = std::move(access)](reconciler_pointer self) {
      return behavior(self, access);
    });
}

} // namespace neuroplex::actors
