#include "actors/node_actor.hpp"

#include "actors/clock.hpp"
#include "actors/concept_reader.hpp"
#include "actors/concept_writer.hpp"
#include "actors/gc_actor.hpp"
#include "actors/optimizer_actor.hpp"
#include "actors/pressure_actor.hpp"
#include "actors/reconciler_actor.hpp"
#include "actors/router_actor.hpp"
#include "actors/scan_source.hpp"
#include "actors/shard_actor.hpp"
#include "actors/store_actor.hpp"
#include "actors/upkeep_actor.hpp"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace neuroplex::actors {

namespace {

// The order in which children stop; the last ones start first.
enum class stage : std::uint8_t { doors, router, shards, store, done };

// How long the router may take to report.
constexpr auto report_patience = milliseconds{1'000};

// How long replicas may take to compare themselves with those of all nodes.
constexpr auto replica_patience = milliseconds{5'000};

constexpr const char* no_concepts =
  "the node has no concept memory: start it with concept.enabled";

caf::strong_actor_ptr pointer_to(const auto& handle) {
  return caf::actor_cast<caf::strong_actor_ptr>(handle);
}

struct child {
  stage stops_in = stage::doors;
  std::function<caf::strong_actor_ptr()> spawn;
  std::function<void(const caf::strong_actor_ptr&)> announce;
  milliseconds restart_pause{0};
  caf::strong_actor_ptr handle; // null while it is down
  bool put_off = false;         // it is to be started at the next pulse
  bool is_worker = false;       // of upkeep: the gc_actor knows it
};

struct acquainted_peer {
  hello who;
  node_actor handle;
};

struct node_state {
  using self_pointer = actor_pointer<node_actor, node_state>;

  // A node that is killed takes its children along.
  ~node_state() {
    for (auto& [name, each] : children)
      if (each.handle)
        kill(each.handle);
  }

  // -- children ---------------------------------------------------------------

  void start(self_pointer self_value, node_setup setup_value);
  void add(const std::string& name, stage stops_in,
           std::function<caf::strong_actor_ptr()> spawn,
           std::function<void(const caf::strong_actor_ptr&)> announce,
           milliseconds restart_pause = milliseconds{0});
  void start_upkeep();
  void start_replicas();
  void start_concepts();
  void add_worker(const std::string& name, pacing paced, placing placed);
  void launch(const std::string& name);
  void on_child_down(const std::string& name, const caf::error& reason);
  void launch_put_off();
  bool may_restart();

  /// Before there is a router nobody needs to be told: it starts with all.
  template <class... Parts>
  void tell_router(Parts&&... parts) {
    if (router)
      tell_urgently(self, router, std::forward<Parts>(parts)...);
  }

  void halt();
  void stop_stage();

  [[nodiscard]] std::set<std::string, std::less<>> agreed_spaces() const {
    if (setup.agreement)
      return setup.agreement->spaces;
    return {};
  }

  // -- messages ---------------------------------------------------------------

  welcome greet(const hello& who, const caf::strong_actor_ptr& handle);
  void lose(placement::replica_id who, const std::string& reason, bool refused);
  caf::result<node_report> report();
  void complete(const std::shared_ptr<node_report>& result,
                promise_of<node_report> answer);
  void pass_on(replica_message& what);
  caf::result<replica_verdict> verify(const std::string& space);
  caf::result<reply> resolve(const std::string& space);
  [[nodiscard]] std::vector<replica_actor>
  replicas_of(const std::string& space) const;

  template <class... Parts>
  void tell_replicas(const Parts&... parts) {
    for (const auto& replica : replicas_of({}))
      tell(self, replica, parts...);
  }
  caf::result<caf::strong_actor_ptr>
  open_stream(const scan_request& what, const caf::strong_actor_ptr& sink,
              std::uint32_t credit);

  self_pointer self = nullptr;
  node_setup setup;
  std::map<std::string, child> children;
  router_actor router;
  store_actor store;
  std::map<placement::shard_index, shard_actor> shards;
  gc_actor gc;
  agreement_peer_actor agreement;
  concept_writer_actor concept_writer;
  concept_reader_actor concept_reader;
  std::map<placement::replica_id, acquainted_peer> peers;
  std::map<std::uint64_t, caf::strong_actor_ptr> streams;
  std::uint64_t last_stream = 0;
  std::deque<std::int64_t> recent_restarts; // Unix time in ms
  std::uint64_t restarts = 0;
  std::int64_t started_ms = 0;
  bool failed = false;
  bool halting = false;
  stage stopping = stage::doors;
  death_watch watch;
  static inline const char* name = "node";
};

void node_state::start(self_pointer self_value, node_setup setup_value) {
  self = self_value;
  setup = std::move(setup_value);
  started_ms = unix_ms();
  auto* system = &self->home_system();
  add(
    "store", stage::store,
    [this, system] {
      store =
        spawn_store(*system, *setup.store, setup.whole, setup.mailbox_messages);
      return pointer_to(store);
    },
    [this](const auto& handle) { tell_router(store_atom_v, handle); });
  start_upkeep();
  for (auto& [shard, core] : setup.shards)
    add(
      "shard-" + std::to_string(shard), stage::shards,
      [this, system, shard = shard, core = core] {
        shards[shard] = spawn_shard(*system, core, setup.mailbox_messages);
        return pointer_to(shards[shard]);
      },
      [this, shard = shard](const auto& handle) {
        tell_router(shard_atom_v, shard, handle);
      });
  if (setup.agreement)
    add(
      "raft", stage::shards,
      [this, system] {
        agreement = spawn_agreement_peer(*system, setup.agreement,
                                         setup.mailbox_messages, setup.most);
        return pointer_to(agreement);
      },
      [this](const auto& handle) { tell_router(agreed_atom_v, handle); });
  start_replicas();
  start_concepts();
  add(
    "router", stage::router,
    [this, system] {
      router =
        spawn_router(*system, {.self = setup.us.self,
                               .table = setup.us.table,
                               .request_credit = setup.request_credit,
                               .mailbox_messages = setup.mailbox_messages,
                               .most = setup.most,
                               .shards = shards,
                               .store = store,
                               .agreement = agreement,
                               .agreed_spaces = agreed_spaces(),
                               .replicas = setup.replicas});
      return pointer_to(router);
    },
    [this](const auto&) {
      for (auto& [id, peer] : peers)
        tell_router(met_atom_v, peer.who, pointer_to(peer.handle));
    });
  for (const auto& where : setup.dial)
    add("peer-" + std::to_string(where.replica_id), stage::doors,
        [this, system, where] {
          return pointer_to(spawn_peer_link(*system, node_actor{self}, setup.us,
                                            where, setup.reconnect_ms));
        },
        {});
  if (setup.gateway)
    add(
      "gateway", stage::doors,
      [this, system] {
        return pointer_to(
          spawn_resp_gateway(*system, node_actor{self}, setup.gateway));
      },
      {}, milliseconds{limits::gateway_restart_pause_ms});
}

void node_state::start_replicas() {
  if (!setup.replicas)
    return;
  auto* system = &self->home_system();
  add("replica-disk", stage::store,
      [this, system] {
        return pointer_to(spawn_replica_disk(*system, setup.replicas));
      },
      {});
  for (const auto& shard : setup.replicas->shards())
    add(
      "replica-" + shard.space + "-" + std::to_string(shard.shard),
      stage::shards,
      [this, system, shard] {
        return pointer_to(spawn_replica(*system, setup.replicas, shard,
                                        setup.us.self, setup.mailbox_messages));
      },
      [this](const auto& handle) {
        for (const auto& [id, peer] : peers)
          tell(self, caf::actor_cast<replica_actor>(handle), met_atom_v, id,
               pointer_to(peer.handle));
      });
}

void node_state::start_concepts() {
  if (!setup.concepts)
    return;
  auto* system = &self->home_system();
  add("reconciler", stage::store,
      [this, system] {
        return pointer_to(spawn_reconciler(*system, setup.concepts));
      },
      {});
  add("concept_writer", stage::shards,
      [this, system] {
        concept_writer =
          spawn_concept_writer(*system, setup.concepts, setup.mailbox_messages);
        return pointer_to(concept_writer);
      },
      {});
  add("concept_reader", stage::shards,
      [this, system] {
        concept_reader =
          spawn_concept_reader(*system, setup.concepts, setup.mailbox_messages);
        return pointer_to(concept_reader);
      },
      {});
}

std::vector<replica_actor>
node_state::replicas_of(const std::string& space) const {
  std::vector<replica_actor> result;
  if (setup.replicas)
    for (const auto& shard : setup.replicas->shards())
      if (space.empty() || shard.space == space)
        if (auto actor = setup.replicas->actor_of(shard))
          result.push_back(actor);
  return result;
}

void node_state::pass_on(replica_message& what) {
  if (!setup.replicas)
    return;
  // A shard that another configuration has; what it says is for nobody.
  if (auto to = setup.replicas->actor_of({what.space, what.shard}))
    tell(self, to, gossip_atom_v, std::move(what));
}

caf::result<replica_verdict> node_state::verify(const std::string& space) {
  auto replicas = replicas_of(space);
  if (replicas.empty())
    return make_error(errc::not_found);
  auto answer = make_promise<replica_verdict>(self);
  struct gathering {
    replica_verdict whole;
    std::size_t missing;
  };
  auto all = std::make_shared<gathering>(gathering{{}, replicas.size()});
  auto finish = [all, answer]() mutable {
    if (--all->missing == 0)
      answer.deliver(std::move(all->whole));
  };
  for (const auto& replica : replicas)
    ask(self, replica, replica_patience, verify_atom_v)
      .then(
        [all, finish](replica_verdict& part) mutable {
          std::move(part.nodes.begin(), part.nodes.end(),
                    std::back_inserter(all->whole.nodes));
          finish();
        },
        [all, finish](const caf::error& error) mutable {
          all->whole.status = code_of(error);
          finish();
        });
  return answer;
}

caf::result<reply> node_state::resolve(const std::string& space) {
  auto replicas = replicas_of(space);
  if (replicas.empty())
    return make_error(errc::not_found);
  auto answer = make_promise<reply>(self);
  struct gathering {
    reply whole;
    std::size_t missing;
  };
  auto all = std::make_shared<gathering>(gathering{{}, replicas.size()});
  auto finish = [all, answer](const reply& part) mutable {
    all->whole.number += part.number;
    if (part.status != errc::ok) {
      all->whole.status = part.status;
      all->whole.value = part.value;
    }
    if (--all->missing == 0)
      answer.deliver(std::move(all->whole));
  };
  for (const auto& replica : replicas)
    ask(self, replica, replica_patience, resolve_atom_v)
      .then([finish](const reply& part) mutable { finish(part); },
            [finish](const caf::error&) mutable {
              reply failed;
              failed.status = errc::unknown_outcome;
              finish(failed);
            });
  return answer;
}

void node_state::start_upkeep() {
  auto* system = &self->home_system();
  add(
    "gc", stage::store,
    [this, system] {
      gc = spawn_gc(*system, setup.upkeep);
      return pointer_to(gc);
    },
    [this](const auto&) {
      for (auto& [name, other] : children)
        if (other.is_worker && other.handle)
          tell_urgently(self, gc, worker_atom_v, name, other.handle);
    });
  for (const auto* name : {"recovery", "expiry", "compaction"})
    add_worker(name, pacing::by_others, placing::among_others);
  add_worker("backup", pacing::by_itself, placing::apart);
  add("pressure", stage::store,
      [this, system] {
        return pointer_to(spawn_pressure(*system, setup.upkeep));
      },
      {});
  add("optimizer", stage::store,
      [this, system] {
        return pointer_to(spawn_optimizer(*system, setup.upkeep));
      },
      {});
  add("pool", stage::store,
      [this, system] {
        return pointer_to(spawn_pool(*system, setup.upkeep, setup.holders));
      },
      {});
}

// Does nothing for what this node has no worker for.
void node_state::add_worker(const std::string& name, pacing paced,
                            placing placed) {
  auto worker = setup.upkeep->find(name);
  if (!worker)
    return;
  auto* system = &self->home_system();
  children[name].is_worker = true;
  add(
    name, stage::store,
    [system, worker, paced, placed] {
      return pointer_to(spawn_upkeep(*system, worker, paced, placed));
    },
    [this, name](const auto& handle) {
      tell_urgently(self, gc, worker_atom_v, name, handle);
    });
}

void node_state::add(const std::string& name, stage stops_in,
                     std::function<caf::strong_actor_ptr()> spawn,
                     std::function<void(const caf::strong_actor_ptr&)> announce,
                     milliseconds restart_pause) {
  auto& added = children[name];
  added.restart_pause = restart_pause;
  added.stops_in = stops_in;
  added.spawn = std::move(spawn);
  added.announce = std::move(announce);
  launch(name);
}

void node_state::launch(const std::string& name) {
  auto& launched = children[name];
  launched.handle = launched.spawn();
  if (!launched.handle)
    return;
  watch.watch(self, launched.handle, [this, name](const caf::error& reason) {
    on_child_down(name, reason);
  });
  if (launched.announce)
    launched.announce(launched.handle);
}

void node_state::on_child_down(const std::string& name,
                               const caf::error& reason) {
  auto& dead = children[name];
  dead.handle = nullptr;
  if (halting)
    return stop_stage();
  if (may_restart()) {
    if (dead.restart_pause.count() == 0)
      return launch(name);
    dead.put_off = true;
    return tell_after(self, dead.restart_pause, node_actor{self}, pulse_atom_v);
  }
  if (!failed && setup.on_failure)
    setup.on_failure("actor \"" + name
                     + "\" died too often: " + render(reason));
  failed = true;
}

void node_state::launch_put_off() {
  for (auto& [name, each] : children)
    if (std::exchange(each.put_off, false) && !halting)
      launch(name);
}

bool node_state::may_restart() {
  auto now = unix_ms();
  while (!recent_restarts.empty()
         && recent_restarts.front() < now - limits::restart_window_ms)
    recent_restarts.pop_front();
  if (recent_restarts.size() >= limits::max_restarts)
    return false;
  recent_restarts.push_back(now);
  ++restarts;
  return true;
}

void node_state::halt() {
  if (halting)
    return;
  halting = true;
  for (auto& [number, stream] : streams)
    stop(stream);
  for (auto& [name, each] : children)
    if (each.handle && each.stops_in == stopping)
      stop(each.handle);
  stop_stage();
}

// Goes on to the next stage when the present one is empty.
void node_state::stop_stage() {
  for (;;) {
    if (stopping == stage::done)
      return self->quit();
    auto alive =
      std::any_of(children.begin(), children.end(), [this](const auto& x) {
        return x.second.handle && x.second.stops_in == stopping;
      });
    if (alive)
      return;
    stopping = static_cast<stage>(static_cast<std::uint8_t>(stopping) + 1);
    for (auto& [name, each] : children)
      if (each.handle && each.stops_in == stopping)
        stop(each.handle);
  }
}

welcome node_state::greet(const hello& who,
                          const caf::strong_actor_ptr& handle) {
  welcome answer;
  answer.self = setup.us.introduce(unix_ms());
  auto verdict = judge(setup.us, who);
  if (verdict && halting)
    verdict = failure{errc::unavailable, "the node is stopping"};
  if (verdict && !handle)
    verdict = failure{errc::protocol, "a hello without an actor to answer"};
  if (!verdict) {
    answer.status = verdict.code();
    answer.reason = verdict.error().message();
    // What a stranger claims must not disturb a peer that is connected.
    if (!peers.contains(who.replica_id))
      tell_router(lost_atom_v, who.replica_id, answer.reason, true);
    return answer;
  }
  if (!who.joins)
    return answer;
  auto id = who.replica_id;
  if (auto known = peers.find(id); known != peers.end())
    watch.forget(self, known->second.handle);
  setup.us.seen[id] = who.incarnation;
  auto peer = caf::actor_cast<node_actor>(handle);
  peers[id] = {who, peer};
  watch.watch(self, peer, [this, id](const caf::error& reason) {
    peers.erase(id);
    tell_replicas(lost_atom_v, id);
    lose(id, "connection lost: " + render(reason), false);
  });
  tell_router(met_atom_v, who, handle);
  tell_replicas(met_atom_v, id, handle);
  if (auto host = setup.peer_hosts.find(id); setup.agreement
                                             && who.bounds.raft_port != 0
                                             && host != setup.peer_hosts.end())
    setup.agreement->host->set_peer(id, host->second, who.bounds.raft_port);
  return answer;
}

void node_state::lose(placement::replica_id who, const std::string& reason,
                      bool refused) {
  if (!peers.contains(who))
    tell_router(lost_atom_v, who, reason, refused);
}

// What the replica of concept memory says of its peers.
void add_concept_peers(node_report& report) {
  auto& concepts = report.concepts;
  for (const auto& one : report.replicas) {
    if (one.space != config::concept_replica_name)
      continue;
    for (const auto& peer : one.peers) {
      concepts.peers.push_back(
        {.replica_id = peer.replica_id,
         .connected = peer.connected,
         .changes_behind = one.recorded - peer.acknowledged});
      if (peer.connected && peer.incarnation == 0)
        concepts.notices.push_back(
          {"peer without replica",
           "node " + std::to_string(peer.replica_id)
             + " is connected and has told nothing of its concept memory",
           "start it with concept.replication replicas"});
    }
  }
}

caf::result<node_report> node_state::report() {
  auto whole = std::make_shared<node_report>();
  auto& result = *whole;
  result.cluster = setup.us.cluster;
  result.replica_id = setup.us.self;
  result.incarnation = setup.us.incarnation;
  result.uptime_ms = unix_ms() - started_ms;
  result.process_id = static_cast<std::uint64_t>(::getpid());
  result.placement_epoch = setup.us.table->epoch();
  result.shards = setup.us.table->shard_count();
  result.local_shards = static_cast<std::uint32_t>(setup.shards.size());
  result.restarts = restarts;
  result.start = setup.found;
  result.segment = report_of(*setup.store);
  result.requests = setup.whole->report();
  for (const auto& [shard, core] : setup.shards)
    accumulate(result.requests, core->report());
  if (setup.gateway)
    result.gateway = setup.gateway->report();
  result.upkeep = setup.upkeep->report();
  if (setup.report_tunnel)
    result.tunnel = setup.report_tunnel();
  result.agreement = report_of(setup.agreement);
  if (setup.concepts)
    result.concepts = setup.concepts->report();
  if (failed)
    result.status = errc::internal;
  auto answer = make_promise<node_report>(self);
  complete(whole, answer);
  return answer;
}

// Asks those that have figures of their own, and answers when all have come.
void node_state::complete(const std::shared_ptr<node_report>& result,
                          promise_of<node_report> answer) {
  auto replicas = replicas_of({});
  auto missing = std::make_shared<std::size_t>(1 + replicas.size());
  auto done = [result, answer, missing]() mutable {
    if (--*missing != 0)
      return;
    std::sort(result->replicas.begin(), result->replicas.end(),
              [](const replica_report& a, const replica_report& b) {
                return std::tie(a.space, a.shard) < std::tie(b.space, b.shard);
              });
    add_concept_peers(*result);
    answer.deliver(std::move(*result));
  };
  auto fail = [result, done](const caf::error& error) mutable {
    result->status = code_of(error);
    done();
  };
  ask(self, router, report_patience, stats_atom_v)
    .then(
      [result, done](router_report& of_router) mutable {
        result->router = std::move(of_router);
        done();
      },
      fail);
  for (const auto& replica : replicas)
    ask(self, replica, report_patience, stats_atom_v)
      .then(
        [result, done](replica_report& one) mutable {
          result->replicas.push_back(std::move(one));
          done();
        },
        fail);
}

caf::result<caf::strong_actor_ptr>
node_state::open_stream(const scan_request& what,
                        const caf::strong_actor_ptr& sink,
                        std::uint32_t credit) {
  if (auto code = check(what); code != errc::ok)
    return make_error(code);
  if (!sink)
    return make_error(errc::bad_argument);
  if (halting || streams.size() >= limits::max_scan_streams)
    return make_error(errc::busy);
  auto number = ++last_stream;
  auto source = pointer_to(spawn_scan_source(
    self->home_system(), router, what, caf::actor_cast<scan_sink_actor>(sink),
    credit, setup.request_ms));
  streams[number] = source;
  watch.watch(self, source, [this, number](const caf::error&) { //
    streams.erase(number);
  });
  return source;
}

node_actor::behavior_type behavior(node_state::self_pointer self) {
  drop_unexpected(self);
  auto* state = &state_of(self);
  return {
    [state](apply_atom, request& what) -> caf::result<reply> {
      return delegate(state->self, state->router, apply_atom_v,
                      std::move(what));
    },
    [state](batch_atom, batch_request& what) -> caf::result<batch_reply> {
      return delegate(state->self, state->router, batch_atom_v,
                      std::move(what));
    },
    [state](scan_atom, scan_request& what) -> caf::result<scan_page> {
      return delegate(state->self, state->router, scan_atom_v, std::move(what));
    },
    [state](space_atom, space_request& what) -> caf::result<reply> {
      return delegate(state->self, state->router, space_atom_v,
                      std::move(what));
    },
    [state](stream_atom, const scan_request& what,
            const caf::strong_actor_ptr& sink, std::uint32_t credit) {
      return state->open_stream(what, sink, credit);
    },
    [state](hello_atom, const hello& who, const caf::strong_actor_ptr& handle) {
      return state->greet(who, handle);
    },
    [state](lost_atom, std::uint32_t who, const std::string& reason,
            bool refused) { state->lose(who, reason, refused); },
    [state](member_atom, const std::string& wish, std::uint32_t member,
            std::uint64_t group) -> caf::result<reply> {
      if (state->agreement)
        return delegate(state->self, state->agreement, member_atom_v, wish,
                        member, group);
      reply none;
      none.status = errc::bad_argument;
      none.value = "no namespace of this node is agreed on: give one "
                   "consistency=linearizable";
      return none;
    },
    [state](gossip_atom, replica_message& what) { state->pass_on(what); },
    [state](verify_atom, const std::string& space) {
      return state->verify(space);
    },
    [state](resolve_atom, const std::string& space) {
      return state->resolve(space);
    },
    [state](watch_atom, watch_request& what) -> caf::result<watch_reply> {
      if (state->agreement)
        return delegate(state->self, state->agreement, watch_atom_v,
                        std::move(what));
      watch_reply none;
      none.status = errc::bad_argument;
      return none;
    },
    [state](learn_atom, lesson_request& what) -> caf::result<lesson_receipt> {
      if (state->concept_writer)
        return delegate(state->self, state->concept_writer, learn_atom_v,
                        std::move(what));
      lesson_receipt none;
      none.status = errc::unavailable;
      none.problem = no_concepts;
      return none;
    },
    [state](ask_atom,
            question_request& what) -> caf::result<concept_service::answer> {
      if (state->concept_reader)
        return delegate(state->self, state->concept_reader, ask_atom_v,
                        std::move(what));
      concept_service::answer none;
      none.status = errc::unavailable;
      none.problem = no_concepts;
      return none;
    },
    [state](stats_atom) { return state->report(); },
    [state](child_atom,
            const std::string& name) -> caf::result<caf::strong_actor_ptr> {
      auto found = state->children.find(name);
      if (found == state->children.end() || !found->second.handle)
        return make_error(errc::not_found);
      return found->second.handle;
    },
    [state](pulse_atom) { state->launch_put_off(); },
    [state](halt_atom) { state->halt(); },
  };
}

} // namespace

node_actor spawn_node(caf::actor_system& system, node_setup setup) {
  auto mailbox_messages = setup.mailbox_messages;
  return spawn_bounded<node_actor, node_state>(
    system, mailbox_messages,
    [setup = std::move(setup)](node_state::self_pointer self) {
      state_of(self).start(self, setup);
      return behavior(self);
    });
}

} // namespace neuroplex::actors
