#include "actors/upkeep_actor.hpp"

#include "actors/clock.hpp"
#include "actors/pulse.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

struct upkeep_state {
  std::shared_ptr<upkeep::worker> worker;
  std::uint64_t pulse = 0; // number of the latest that is under way
  static inline const char* name = "upkeep";
};

using upkeep_pointer = actor_pointer<upkeep_actor, upkeep_state>;

// While there is more to do the next step comes at once, behind the messages
// that wait already.
void schedule(upkeep_pointer self, bool more) {
  auto& state = state_of(self);
  send_pulse<upkeep_actor>(self, state.pulse,
                           milliseconds{state.worker->how().interval_ms}, more);
}

upkeep_actor::behavior_type behavior(upkeep_pointer self,
                                     std::shared_ptr<upkeep::worker> worker,
                                     pacing paced) {
  state_of(self).worker = std::move(worker);
  drop_unexpected(self);
  if (paced == pacing::by_itself)
    schedule(self, false);
  return {
    [self](run_atom) { return state_of(self).worker->run(unix_ms()); },
    [self, paced](tune_atom, std::uint32_t interval_ms,
                  std::uint64_t step) -> caf::result<upkeep::task_report> {
      auto& state = state_of(self);
      if (auto code = state.worker->tune(interval_ms, step); code != errc::ok)
        return make_error(code);
      if (paced == pacing::by_itself)
        schedule(self, false);
      return state.worker->report();
    },
    [self](stats_atom) { return state_of(self).worker->report(); },
    [self, paced](pulse_atom, std::uint64_t number) {
      auto& state = state_of(self);
      if (paced == pacing::by_itself && number == state.pulse)
        schedule(self, state.worker->run(unix_ms()).more);
    },
  };
}

} // namespace

upkeep_actor spawn_upkeep(caf::actor_system& system,
                          std::shared_ptr<upkeep::worker> worker, pacing paced,
                          placing placed) {
  auto start = [worker = std::move(worker), paced](upkeep_pointer self) {
    return behavior(self, worker, paced);
  };
  return placed == placing::apart ? spawn_apart(system, start)
                                  : system.spawn(start);
}

} // namespace neuroplex::actors
