// The actor inside a client: everything its threads send goes through it.
//
// Purpose: plain threads cannot watch a node and wait for an answer at once, so
// one actor does both for all of them. It fails what is under way as soon as
// the node is lost, and looks for the node again.
//
// Ownership and threads: `client_link` is shared between the client's threads
// and the actor. Jobs are closures that run inside the actor, in order.
//
// Failure behaviour: every job is run, or told that the client is closed.
#pragma once

#include "actors/clock.hpp"
#include "actors/flight_table.hpp"
#include "actors/interfaces.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace neuroplex::actors {

/// Looks at its link. Sent by client threads and by the actor itself.
using client_broker_actor = interface_of<
  // Jobs wait in the link.
  answers<void>(pulse_atom),
  // Looks for the node again.
  answers<void>(hello_atom)>;

struct client_broker_state;

using client_job = std::function<void(client_broker_state*)>;

/// Between the threads of a client and its broker.
struct client_link {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<client_job> jobs;
  bool closed = false;
  bool settled = false; ///< the first attempt to connect has ended
  failure problem{errc::unavailable, "not connected yet"};
  std::atomic<bool> connected{false};
};

struct client_target {
  node_actor local; ///< null: reach host and port
  std::string host;
  std::uint16_t port = 0;
  std::uint32_t reconnect_ms = 200;
  /// How long one attempt to reach the node may take.
  std::uint32_t connect_timeout_ms = 3'000;
};

struct client_broker_state {
  using self_pointer = actor_pointer<client_broker_actor, client_broker_state>;

  // The only node this broker talks to, as flight_table numbers it.
  static constexpr placement::replica_id target_id = 1;

  // The node's own answer at the deadline should win against our timeout.
  static constexpr auto grace = milliseconds{200};

  ~client_broker_state();

  void start(self_pointer self_value, std::shared_ptr<client_link> link_value,
             client_target target_value);
  void run_jobs();
  void dial();
  void met(node_actor handle);
  void lost(const failure& why);

  /// Sends to the node and calls `done` once.
  template <class Answer, class... Parts>
  void send(milliseconds patience, bool effect,
            std::function<void(Answer)> done, Parts&&... parts) {
    auto refuse = [](const std::function<void(Answer)>& to, errc code) {
      Answer answer;
      answer.status = code;
      to(std::move(answer));
    };
    if (node == nullptr)
      return refuse(done, errc::unavailable);
    auto id = flights.take_off(
      {.peer = target_id, .effect = effect, .fail = [done, refuse](errc code) {
         refuse(done, code);
       }});
    if (!id)
      return refuse(done, errc::busy);
    ask(self, node, patience + grace, std::forward<Parts>(parts)...)
      .then(
        [this, done, number = *id](Answer& answer) {
          if (!flights.land(number))
            return;
          if constexpr (requires { settle(answer); })
            settle(answer);
          done(std::move(answer));
        },
        [this, done, refuse, effect, number = *id](const caf::error& error) {
          if (!flights.land(number))
            return;
          auto code = code_of(error);
          if (code == errc::unknown_outcome
              || (code == errc::internal && effect))
            code = outcome_without_answer(effect);
          refuse(done, code);
        });
  }

  self_pointer self = nullptr;
  std::shared_ptr<client_link> link;
  client_target target;
  node_actor node;
  flight_table flights{{.per_peer = ~std::size_t{0},
                        .per_client = ~std::size_t{0},
                        .bytes_per_peer = ~std::size_t{0}}};
  death_watch watch;
  static inline const char* name = "client";
};

client_broker_actor
spawn_client_broker(caf::actor_system& system,
                    const std::shared_ptr<client_link>& link,
                    const client_target& target);

} // namespace neuroplex::actors
