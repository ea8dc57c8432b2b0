#include "actors/client_broker.hpp"

namespace neuroplex::actors {

void client_broker_state::start(self_pointer self_value,
                                std::shared_ptr<client_link> link_value,
                                client_target target_value) {
  self = self_value;
  link = std::move(link_value);
  target = std::move(target_value);
  if (target.local)
    met(target.local);
  else
    dial();
}

client_broker_state::~client_broker_state() {
  if (!link)
    return;
  std::deque<client_job> jobs;
  {
    std::lock_guard guard{link->mutex};
    link->closed = true;
    link->settled = true;
    link->connected = false;
    jobs.swap(link->jobs);
  }
  link->changed.notify_all();
  for (auto& lost_flight : flights.lose(target_id))
    lost_flight.fail(outcome_without_answer(lost_flight.effect));
  for (auto& job : jobs)
    job(nullptr);
}

void client_broker_state::run_jobs() {
  std::deque<client_job> jobs;
  {
    std::lock_guard guard{link->mutex};
    jobs.swap(link->jobs);
  }
  for (auto& job : jobs)
    job(this);
}

void client_broker_state::dial() {
  connect<node_actor>(
    self, target.host, target.port, milliseconds{target.connect_timeout_ms},
    [this](node_actor handle) { met(std::move(handle)); },
    [this](const caf::error& error) {
      lost({code_of(error), target.host + ":" + std::to_string(target.port)
                              + ": no node reached: " + render(error)});
    });
}

void client_broker_state::met(node_actor handle) {
  node = std::move(handle);
  watch.watch(self, node, [this](const caf::error& error) {
    lost({errc::unavailable, "connection to the node lost: " + render(error)});
  });
  {
    std::lock_guard guard{link->mutex};
    link->connected = true;
    link->settled = true;
  }
  link->changed.notify_all();
}

void client_broker_state::lost(const failure& why) {
  node = nullptr;
  {
    std::lock_guard guard{link->mutex};
    link->connected = false;
    link->settled = true;
    link->problem = why;
  }
  link->changed.notify_all();
  for (auto& lost_flight : flights.lose(target_id))
    lost_flight.fail(outcome_without_answer(lost_flight.effect));
  // A node of this process does not come back under the same handle, and its
  // actor system waits for us to end.
  if (target.local)
    self->quit();
  else
    tell_after(self, milliseconds{target.reconnect_ms},
               client_broker_actor{self}, hello_atom_v);
}

client_broker_actor
spawn_client_broker(caf::actor_system& system,
                    const std::shared_ptr<client_link>& link,
                    const client_target& target) {
  return system.spawn([=](client_broker_state::self_pointer self)
                        -> client_broker_actor::behavior_type {
    auto* state = &state_of(self);
    drop_unexpected(self);
    state->start(self, link, target);
    return {
      [state](pulse_atom) { state->run_jobs(); },
      [state](hello_atom) { state->dial(); },
    };
  });
}

} // namespace neuroplex::actors
