#include "actors/optimizer_actor.hpp"

#include "actors/pulse.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

struct optimizer_state {
  std::shared_ptr<upkeep::parts> parts;
  std::uint64_t pulse = 0; // number of the latest that is under way
  static inline const char* name = "optimizer";
};

using optimizer_pointer = actor_pointer<optimizer_actor, optimizer_state>;

void schedule(optimizer_pointer self) {
  auto& state = state_of(self);
  send_pulse<optimizer_actor>(self, state.pulse,
                              milliseconds{state.parts->look_interval_ms()});
}

optimizer_actor::behavior_type behavior(optimizer_pointer self,
                                        std::shared_ptr<upkeep::parts> parts) {
  state_of(self).parts = std::move(parts);
  drop_unexpected(self);
  schedule(self);
  return {
    [self](run_atom) { return state_of(self).parts->look(); },
    [self](tune_atom,
           const std::string& name) -> caf::result<upkeep::optimizer_report> {
      auto mode = upkeep::parse_optimizer_mode(name);
      if (!mode)
        return make_error(errc::bad_argument);
      auto& parts = *state_of(self).parts;
      parts.set_mode(*mode);
      return parts.advice_so_far();
    },
    [self](stats_atom) { return state_of(self).parts->advice_so_far(); },
    [self](pulse_atom, std::uint64_t number) {
      if (number != state_of(self).pulse)
        return;
      state_of(self).parts->look();
      schedule(self);
    },
  };
}

} // namespace

optimizer_actor spawn_optimizer(caf::actor_system& system,
                                std::shared_ptr<upkeep::parts> parts) {
  return system.spawn([parts = std::move(parts)](optimizer_pointer self) {
    return behavior(self, parts);
  });
}

} // namespace neuroplex::actors
