#include "actors/pressure_actor.hpp"

#include "actors/clock.hpp"
#include "actors/pulse.hpp"

#include <map>
#include <utility>

namespace neuroplex::actors {

namespace {

struct pressure_state {
  std::shared_ptr<upkeep::parts> parts;
  std::shared_ptr<upkeep::worker> worker;
  std::map<std::uint64_t, pressure_listener_actor> listeners;
  std::uint64_t last_listener = 0;
  upkeep::pressure_level told = upkeep::pressure_level::low;
  std::uint64_t pulse = 0; // number of the latest that is under way
  death_watch watch;
  static inline const char* name = "pressure";
};

using pressure_pointer = actor_pointer<pressure_actor, pressure_state>;

void schedule(pressure_pointer self, bool more) {
  auto& state = state_of(self);
  send_pulse<pressure_actor>(
    self, state.pulse, milliseconds{state.worker->how().interval_ms}, more);
}

upkeep::task_report step(pressure_pointer self) {
  auto& state = state_of(self);
  auto report = state.worker->run(unix_ms());
  auto now = state.parts->pressure();
  if (now.level != state.told) {
    state.told = now.level;
    for (auto& [number, listener] : state.listeners)
      tell(self, listener, level_atom_v, now);
  }
  return report;
}

caf::result<void> join(pressure_pointer self,
                       const caf::strong_actor_ptr& who) {
  auto& state = state_of(self);
  if (!who)
    return make_error(errc::bad_argument);
  if (state.listeners.size() >= limits::max_pressure_listeners)
    return make_error(errc::busy);
  auto listener = caf::actor_cast<pressure_listener_actor>(who);
  for (auto& [number, known] : state.listeners)
    if (known == listener)
      return caf::unit;
  auto number = ++state.last_listener;
  state.listeners[number] = listener;
  state.watch.watch(self, listener, [&state, number](const caf::error&) {
    state.listeners.erase(number);
  });
  tell(self, listener, level_atom_v, state.parts->pressure());
  return caf::unit;
}

pressure_actor::behavior_type behavior(pressure_pointer self,
                                       std::shared_ptr<upkeep::parts> parts) {
  auto& state = state_of(self);
  state.worker = parts->find("pressure");
  state.parts = std::move(parts);
  drop_unexpected(self);
  schedule(self, false);
  return {
    [self](run_atom) { return step(self); },
    [self](tune_atom, std::uint32_t interval_ms,
           std::uint64_t amount) -> caf::result<upkeep::task_report> {
      auto& worker = *state_of(self).worker;
      if (auto code = worker.tune(interval_ms, amount); code != errc::ok)
        return make_error(code);
      schedule(self, false);
      return worker.report();
    },
    [self](stats_atom) { return state_of(self).worker->report(); },
    [self](level_atom) { return state_of(self).parts->pressure(); },
    [self](join_atom, const caf::strong_actor_ptr& who) {
      return join(self, who);
    },
    [self](pulse_atom, std::uint64_t number) {
      if (number == state_of(self).pulse)
        schedule(self, step(self).more);
    },
  };
}

} // namespace

pressure_actor spawn_pressure(caf::actor_system& system,
                              std::shared_ptr<upkeep::parts> parts) {
  return system.spawn([parts = std::move(parts)](pressure_pointer self) {
    return behavior(self, parts);
  });
}

} // namespace neuroplex::actors
