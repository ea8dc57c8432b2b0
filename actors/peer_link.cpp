#include "actors/peer_link.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

constexpr auto patience = milliseconds{limits::connect_timeout_ms};

struct peer_link_state {
  using self_pointer = actor_pointer<peer_link_actor, peer_link_state>;

  void dial() {
    if (dialling || connected)
      return;
    dialling = true;
    connect<node_actor>(
      self, where.host, where.port, patience,
      [this](const node_actor& peer) { ask_for_hello(peer); },
      [this](const caf::error& error) {
        give_up("cannot be reached: " + render(error), false);
      });
  }

  void greet(const node_actor& to, const hello& who, const node_actor& reach,
             std::function<void(const welcome&)> next) {
    ask(self, to, patience, hello_atom_v, who,
        caf::actor_cast<caf::strong_actor_ptr>(reach))
      .then(
        [this, next = std::move(next)](const welcome& answer) {
          if (answer.status == errc::ok)
            next(answer);
          else
            give_up(answer.reason, true);
        },
        [this](const caf::error& error) {
          give_up("does not greet back: " + render(error), false);
        });
  }

  void ask_for_hello(const node_actor& peer) {
    auto asked_ms = unix_ms();
    greet(peer, us.introduce(asked_ms), owner,
          [this, peer, asked_ms](const welcome& answer) {
            if (answer.self.replica_id != where.replica_id)
              return give_up("replica id " + std::to_string(where.replica_id)
                               + " was expected at " + where.host + ":"
                               + std::to_string(where.port) + ", not "
                               + std::to_string(answer.self.replica_id),
                             true);
            join(peer, clock_lead(answer.self, asked_ms, unix_ms()));
          });
  }

  void join(const node_actor& peer, std::int64_t peer_ahead_ms) {
    auto ours = us.introduce(unix_ms());
    ours.joins = true;
    ours.receiver_ahead_ms = peer_ahead_ms;
    greet(
      peer, ours, owner, [this, peer, peer_ahead_ms](const welcome& answer) {
        auto theirs = answer.self;
        theirs.joins = true;
        theirs.receiver_ahead_ms = -peer_ahead_ms;
        greet(owner, theirs, peer, [this, peer](const welcome&) { met(peer); });
      });
  }

  void met(const node_actor& peer) {
    dialling = false;
    connected = true;
    pause_ms = first_pause_ms;
    watch.watch(self, peer, [this](const caf::error&) {
      connected = false;
      try_again();
    });
  }

  void give_up(const std::string& reason, bool refused) {
    tell(self, owner, lost_atom_v, where.replica_id, reason, refused);
    dialling = false;
    try_again();
  }

  void try_again() {
    tell_after(self, milliseconds{pause_ms}, peer_link_actor{self},
               pulse_atom_v);
    pause_ms = std::min(2 * pause_ms, last_pause_ms);
  }

  self_pointer self = nullptr;
  node_actor owner;
  acquaintance us;
  peer_address where;
  std::int64_t first_pause_ms = 0;
  std::int64_t last_pause_ms = 0;
  std::int64_t pause_ms = 0;
  bool dialling = false;
  bool connected = false;
  death_watch watch;
  static inline const char* name = "peer_link";
};

} // namespace

peer_link_actor spawn_peer_link(caf::actor_system& system,
                                const node_actor& owner, const acquaintance& us,
                                const peer_address& where,
                                std::uint32_t reconnect_ms) {
  return system.spawn(
    [=](peer_link_state::self_pointer self) -> peer_link_actor::behavior_type {
      auto* state = &state_of(self);
      state->self = self;
      state->owner = owner;
      state->us = us;
      state->where = where;
      state->first_pause_ms = std::max<std::int64_t>(reconnect_ms / 4, 1);
      state->last_pause_ms = std::max<std::int64_t>(
        reconnect_ms, std::min<std::int64_t>(4 * std::int64_t{reconnect_ms},
                                             limits::max_reconnect_pause_ms));
      state->pause_ms = state->first_pause_ms;
      drop_unexpected(self);
      state->dial();
      return {[state](pulse_atom) { state->dial(); }};
    });
}

} // namespace neuroplex::actors
