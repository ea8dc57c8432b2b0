#include "actors/gc_actor.hpp"

#include "actors/clock.hpp"
#include "actors/pulse.hpp"

#include <array>
#include <utility>

namespace neuroplex::actors {

namespace {

using upkeep::chore;

constexpr std::array chores{chore::recovery, chore::expiry, chore::compaction};

struct gc_state {
  std::shared_ptr<upkeep::parts> parts;
  std::array<upkeep_actor, upkeep::chore_count> workers; // null: down
  std::uint64_t pulse = 0; // number of the latest that is under way
  static inline const char* name = "gc";
};

using gc_pointer = actor_pointer<gc_actor, gc_state>;

bool is_above(const gc_state& state) {
  return state.parts->pressure().level >= upkeep::pressure_level::high;
}

upkeep_actor& worker_of(gc_state& state, chore which) {
  return state.workers[static_cast<std::size_t>(which)];
}

void schedule(gc_pointer self) {
  auto& state = state_of(self);
  send_pulse<gc_actor>(self, state.pulse,
                       milliseconds{state.parts->plan().delay_ms(unix_ms())});
}

void begin(gc_pointer self, chore which) {
  auto& state = state_of(self);
  auto& worker = worker_of(state, which);
  if (!worker)
    return state.parts->plan().failed(which, unix_ms());
  ask(self, worker, milliseconds{limits::upkeep_step_ms}, run_atom_v)
    .then(
      [self, which](const upkeep::task_report& done) {
        auto& mine = state_of(self);
        mine.parts->plan().finished(which, unix_ms(), done.last_found,
                                    done.more, is_above(mine));
        schedule(self);
      },
      [self, which](const caf::error&) {
        state_of(self).parts->plan().failed(which, unix_ms());
        schedule(self);
      });
}

// The intervals are the workers', who may have been told others.
void look(gc_pointer self) {
  auto& state = state_of(self);
  auto& plan = state.parts->plan();
  for (auto which : chores)
    if (auto worker = state.parts->find(to_string(which)))
      plan.set_interval(which, worker->how().interval_ms);
  for (auto which : plan.begin_due(unix_ms(), is_above(state)))
    begin(self, which);
  schedule(self);
}

gc_actor::behavior_type behavior(gc_pointer self,
                                 std::shared_ptr<upkeep::parts> parts) {
  state_of(self).parts = std::move(parts);
  drop_unexpected(self);
  // What an earlier life of ours had begun has ended with it.
  for (auto which : chores)
    state_of(self).parts->plan().failed(which, unix_ms());
  schedule(self);
  return {
    [self](run_atom,
           const std::string& name) -> caf::result<upkeep::task_report> {
      auto which = upkeep::parse_chore(name);
      if (!which || !state_of(self).parts->find(name))
        return make_error(errc::not_found);
      auto& worker = worker_of(state_of(self), *which);
      if (!worker)
        return make_error(errc::unavailable);
      return delegate(self, worker, run_atom_v);
    },
    [self](tune_atom,
           const std::string& name) -> caf::result<upkeep::gc_report> {
      auto strategy = upkeep::parse_gc_strategy(name);
      if (!strategy)
        return make_error(errc::bad_argument);
      auto& plan = state_of(self).parts->plan();
      plan.set_strategy(*strategy);
      look(self);
      return plan.report();
    },
    [self](stats_atom) { return state_of(self).parts->plan().report(); },
    [self](worker_atom, const std::string& name,
           const caf::strong_actor_ptr& worker) {
      if (auto which = upkeep::parse_chore(name))
        worker_of(state_of(self), *which) =
          caf::actor_cast<upkeep_actor>(worker);
    },
    [self](pulse_atom, std::uint64_t number) {
      if (number == state_of(self).pulse)
        look(self);
    },
  };
}

} // namespace

gc_actor spawn_gc(caf::actor_system& system,
                  std::shared_ptr<upkeep::parts> parts) {
  return system.spawn([parts = std::move(parts)](gc_pointer self) {
    return behavior(self, parts);
  });
}

} // namespace neuroplex::actors
