#include "actors/replica_actor.hpp"

#include "actors/clock.hpp"
#include "actors/replica/question.hpp"
#include "config/diagnostic.hpp"
#include "consensus/placement/slots.hpp"
#include "crdt/digest.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace neuroplex::actors {

namespace {

using replica::job;
using replica::shard_name;

// How often a replica looks at its timers at most.
constexpr milliseconds shortest_pause{5};

// How long peers have to say where they differ.
constexpr milliseconds comparison_patience{2'000};

constexpr const char* not_promised =
  "replicas cannot promise what this operation answers: use a namespace with "
  "consistency=linearizable";
constexpr const char* no_lifetime =
  "a value in a namespace of replicas has no lifetime: use one with "
  "consistency=single_copy";

reply refuse(errc code, std::string why = {}) {
  reply answer;
  answer.status = code;
  answer.value = std::move(why);
  return answer;
}

bool is_offered(operation op) {
  return op == operation::get || op == operation::info || op == operation::set
         || op == operation::erase || op == operation::increment;
}

reply reply_of(replica::plain_value shown, operation op) {
  if (shown.code != errc::ok)
    return refuse(shown.code);
  reply answer;
  answer.found = true;
  answer.number = static_cast<std::int64_t>(shown.value.size());
  if (op == operation::get)
    answer.value = std::move(shown.value);
  return answer;
}

// The answers of a batch: beyond what the client takes they are `busy`.
class answer_list {
public:
  answer_list(std::size_t count, std::uint64_t budget) : budget_{budget} {
    answers_.reserve(count);
  }

  void add(reply one) {
    used_ += one.value.size();
    if (used_ > budget_)
      one = refuse(errc::busy);
    answers_.push_back({one.status, std::move(one.value)});
  }

  [[nodiscard]] std::vector<batch_answer> take() && {
    return std::move(answers_);
  }

private:
  std::vector<batch_answer> answers_;
  std::uint64_t budget_;
  std::uint64_t used_ = 0;
};

reply execute(replica::core& on, const replica::moment& now, operation op,
              const std::string& key, std::string value, std::int64_t delta) {
  if (!changes(op))
    return reply_of(replica::read_plain(on, key), op);
  auto how = on.writer(now);
  if (!how)
    return refuse(how.code(), how.error().message());
  reply answer;
  if (op == operation::set) {
    answer.status = set_text(*how, key, std::move(value));
  } else if (op == operation::erase) {
    answer.status = erase(*how, key) ? errc::ok : errc::not_found;
  } else {
    auto sum = add(*how, key, delta);
    if (sum)
      answer.number = *sum;
    else
      answer.status = sum.code();
  }
  return answer;
}

// Lets another node answer a read of plain values, which `take` gets.
void forward(job& what, std::vector<std::string> keys,
             std::function<void(std::vector<replica::plain_value>)> take) {
  const auto count = keys.size();
  what.question = [keys = std::move(keys)] {
    return encode(replica::question{.words = keys});
  };
  what.take_answer = [count, take = std::move(take)](std::string_view bytes) {
    auto values = replica::decode_plain_values(bytes);
    if (!values || values->size() != count)
      return false;
    take(std::move(*values));
    return true;
  };
}

milliseconds steady_deadline(const request_header& header) {
  return replica_now().steady
         + milliseconds{
           std::max<std::int64_t>(header.deadline_ms - unix_ms(), 0)};
}

replica::core_options core_options_of(const config::node_options& all,
                                      const config::namespace_options& space) {
  replica::core_options result;
  result.self = all.replica_id;
  for (const auto& peer : all.peers)
    result.peers.push_back(peer.replica_id);
  if (space.consistency == config::consistency_level::causal)
    result.gives = replica::promise::causal;
  if (space.consistency == config::consistency_level::bounded_staleness)
    result.gives = replica::promise::bounded_staleness;
  result.staleness = milliseconds{space.staleness_ms};
  return result;
}

replica::stale_reads when_stale(config::stale_read how) {
  switch (how) {
    case config::stale_read::wait:
      return replica::stale_reads::wait;
    case config::stale_read::forward:
      return replica::stale_reads::forward;
    case config::stale_read::refuse:
      break;
  }
  return replica::stale_reads::refuse;
}

struct replica_state {
  using self_pointer = actor_pointer<replica_actor, replica_state>;

  struct verdict_under_way {
    std::uint64_t token = 0;
    milliseconds deadline{};
    promise_of<replica_verdict> answer{};
  };

  void step();
  void send();
  void schedule(const replica::moment& now);
  void finish_verdict(const replica::moment& now);
  caf::result<reply> apply(request& what);
  caf::result<batch_reply> apply(batch_request& what);
  caf::result<replica_verdict> verify();
  caf::result<reply> resolve();
  void submit(job what);
  [[nodiscard]] bool may_forward(operation op) const;

  self_pointer self = nullptr;
  std::shared_ptr<replica_access> access;
  shard_name shard;
  std::uint32_t node = 0;
  std::map<std::uint32_t, node_actor> peers;
  std::optional<verdict_under_way> verdict;
  std::uint64_t last_token = 0;
  milliseconds next_pulse = milliseconds::max();
  static inline const char* name = "replica";
};

void replica_state::submit(job what) {
  static_cast<void>(access->at(shard).submit(std::move(what)));
  step();
}

bool replica_state::may_forward(operation op) const {
  return !changes(op)
         && access->at(shard).options().when_stale
              == replica::stale_reads::forward;
}

void replica_state::step() {
  auto now = replica_now();
  auto& service = access->at(shard);
  if (service.step(now))
    if (auto disk = access->disk_actor())
      tell(self, disk, pulse_atom_v);
  if (verdict)
    finish_verdict(now);
  send();
  schedule(now);
}

void replica_state::send() {
  for (auto& message : access->at(shard).replica().take_messages()) {
    auto to = peers.find(message.to);
    if (to != peers.end())
      tell(self, to->second, gossip_atom_v,
           replica_message{shard.space, shard.shard, node,
                           std::move(message.bytes)});
  }
}

// One pulse is under way at a time, unless an earlier one is needed.
void replica_state::schedule(const replica::moment& now) {
  auto due = access->at(shard).next_due();
  if (verdict)
    due = std::min(due, verdict->deadline);
  due = std::max(due, now.steady + shortest_pause);
  if (next_pulse <= due)
    return;
  next_pulse = due;
  tell_after(self, due - now.steady, replica_actor{self}, pulse_atom_v);
}

caf::result<reply> replica_state::apply(request& what) {
  if (!is_offered(what.op))
    return refuse(errc::bad_argument, not_promised);
  if (what.ttl_ms != 0 || what.keep_ttl)
    return refuse(errc::bad_argument, no_lifetime);
  auto answer = make_promise<reply>(self);
  auto result = std::make_shared<reply>();
  job wanted{.changes = changes(what.op),
             .bytes = what.key.size() + what.value.size(),
             .deadline = steady_deadline(what.header),
             .finish = [result, answer](errc code) mutable {
               answer.deliver(code == errc::ok ? std::move(*result)
                                               : refuse(code));
             }};
  if (may_forward(what.op))
    forward(wanted, {what.key},
            [result, op = what.op](std::vector<replica::plain_value> values) {
              *result = reply_of(std::move(values.front()), op);
            });
  wanted.run = [result, op = what.op, key = std::move(what.key),
                value = std::move(what.value), delta = what.delta](
                 replica::core& on, const replica::moment& now) {
    *result = execute(on, now, op, key, value, delta);
  };
  submit(std::move(wanted));
  return answer;
}

caf::result<batch_reply> replica_state::apply(batch_request& what) {
  batch_reply refused;
  if (!is_offered(what.op))
    refused.status = errc::bad_argument;
  std::size_t bytes = 0;
  for (const auto& item : what.items) {
    if (item.ttl_ms != 0)
      refused.status = errc::bad_argument;
    bytes += item.key.size() + item.value.size();
  }
  if (changes(what.op) && bytes > replica::limits::part_bytes)
    refused.status = errc::value_size;
  if (refused.status != errc::ok)
    return refused;
  auto answer = make_promise<batch_reply>(self);
  auto result = std::make_shared<batch_reply>();
  job wanted{.changes = changes(what.op),
             .bytes = bytes,
             .deadline = steady_deadline(what.header),
             .finish = [result, answer](errc code) mutable {
               if (code != errc::ok)
                 *result = batch_reply{code, {}};
               answer.deliver(std::move(*result));
             }};
  const auto budget = what.reply_budget_bytes;
  if (may_forward(what.op)) {
    std::vector<std::string> keys;
    keys.reserve(what.items.size());
    for (const auto& item : what.items)
      keys.push_back(item.key);
    forward(
      wanted, std::move(keys),
      [result, op = what.op, budget](std::vector<replica::plain_value> values) {
        answer_list answers{values.size(), budget};
        for (auto& one : values)
          answers.add(reply_of(std::move(one), op));
        result->answers = std::move(answers).take();
      });
  }
  wanted.run = [result, op = what.op, items = std::move(what.items),
                budget](replica::core& on, const replica::moment& now) {
    answer_list answers{items.size(), budget};
    for (const auto& item : items)
      answers.add(execute(on, now, op, item.key, item.value, 0));
    result->answers = std::move(answers).take();
  };
  submit(std::move(wanted));
  return answer;
}

caf::result<replica_verdict> replica_state::verify() {
  if (verdict)
    return make_error(errc::busy);
  auto now = replica_now();
  auto answer = make_promise<replica_verdict>(self);
  verdict =
    verdict_under_way{++last_token, now.steady + comparison_patience, answer};
  access->at(shard).replica().compare(verdict->token);
  step();
  return answer;
}

void replica_state::finish_verdict(const replica::moment& now) {
  const auto& core = access->at(shard).replica();
  if (!core.comparison_complete(verdict->token)
      && now.steady < verdict->deadline)
    return;
  replica_verdict result;
  for (auto& one : core.compared(verdict->token))
    result.nodes.push_back({.space = shard.space,
                            .shard = shard.shard,
                            .replica_id = one.node,
                            .answered = one.answered,
                            .same_context = one.same_context,
                            .differing = one.differing,
                            .keys = std::move(one.keys)});
  auto answer = std::move(verdict->answer);
  verdict.reset();
  answer.deliver(std::move(result));
}

caf::result<reply> replica_state::resolve() {
  auto answer = make_promise<reply>(self);
  auto result = std::make_shared<reply>();
  submit({.changes = true,
          .deadline = replica_now().steady + comparison_patience,
          .run =
            [result, resolver = access->at(shard).options().resolver](
              replica::core& on, const replica::moment& now) {
              auto how = on.writer(now);
              if (!how) {
                *result = refuse(how.code(), how.error().message());
                return;
              }
              auto resolved = replica::resolve(*how, resolver);
              if (resolved)
                result->number = static_cast<std::int64_t>(*resolved);
              else
                *result = refuse(resolved.code(), resolved.error().message());
            },
          .finish =
            [result, answer](errc code) mutable {
              answer.deliver(code == errc::ok ? std::move(*result)
                                              : refuse(code));
            }});
  return answer;
}

replica_actor::behavior_type behavior(replica_state::self_pointer self) {
  drop_unexpected(self);
  auto* state = &state_of(self);
  return {
    [state](apply_atom, request& what) { return state->apply(what); },
    [state](batch_atom, batch_request& what) { return state->apply(what); },
    [state](gossip_atom, const replica_message& what) {
      auto& service = state->access->at(state->shard);
      // What is refused is counted, and shown by the report. What is not heard
      // now is told again.
      if (!service.overloaded())
        static_cast<void>(
          service.replica().receive(what.from, what.bytes, replica_now()));
      state->step();
    },
    [state](met_atom, std::uint32_t peer, const caf::strong_actor_ptr& handle) {
      state->peers[peer] = caf::actor_cast<node_actor>(handle);
      state->access->at(state->shard).replica().peer_met(peer, replica_now());
      state->step();
    },
    [state](lost_atom, std::uint32_t peer) {
      state->peers.erase(peer);
      state->access->at(state->shard).replica().peer_lost(peer);
    },
    [state](written_atom, std::uint64_t sequence, bool wants_snapshot,
            const std::string& problem) {
      auto& service = state->access->at(state->shard);
      if (problem.empty())
        service.written({state->shard, sequence, wants_snapshot},
                        replica_now());
      else
        service.disk_failed(problem);
      state->step();
    },
    [state](verify_atom) { return state->verify(); },
    [state](resolve_atom) { return state->resolve(); },
    [state](stats_atom) {
      auto shown =
        state->access->at(state->shard).replica().status(replica_now());
      replica_report result;
      result.space = state->shard.space;
      result.shard = state->shard.shard;
      result.incarnation = shown.self.incarnation;
      result.keys = shown.keys;
      result.facts = shown.facts;
      result.fact_bytes = shown.fact_bytes;
      result.recorded = shown.recorded;
      result.buffered = shown.buffered;
      result.messages_sent = shown.messages_sent;
      result.bytes_sent = shown.bytes_sent;
      result.bytes_packed = shown.bytes_packed;
      result.messages_refused = shown.messages_refused;
      result.digest_syncs = shown.digest_syncs;
      result.waiting = state->access->at(state->shard).waiting();
      result.problem = shown.problem;
      for (const auto& peer : shown.peers)
        result.peers.push_back({.replica_id = peer.node,
                                .incarnation = peer.incarnation,
                                .connected = peer.connected,
                                .acknowledged = peer.acknowledged,
                                .kept_bytes = peer.kept_bytes,
                                .age_ms = peer.age ? peer.age->count() : -1});
      return result;
    },
    [state](pulse_atom) {
      // One that comes early is for jobs; the timer is still under way.
      if (replica_now().steady >= state->next_pulse)
        state->next_pulse = milliseconds::max();
      state->step();
    },
  };
}

struct replica_disk_state {
  static inline const char* name = "replica_disk";
};

} // namespace

replica::moment replica_now() {
  return {std::chrono::duration_cast<milliseconds>(
            std::chrono::steady_clock::now().time_since_epoch()),
          milliseconds{unix_ms()}};
}

expected<std::shared_ptr<replica_access>>
replica_access::open(const config::node_options& options,
                     const replica_resolvers& resolvers) {
  auto known = resolvers;
  known.try_emplace("last", crdt::last_writer_wins<std::string>());
  auto result = std::make_shared<replica_access>();
  std::vector<shard_name> shards;
  auto spaces = options.namespaces;
  if (options.concepts.replicated()) {
    auto& added = spaces.emplace_back();
    added.name = config::concept_replica_name;
    added.consistency = config::consistency_level::eventual;
  }
  for (const auto& space : spaces) {
    if (!space.replicated())
      continue;
    if (!known.contains(space.resolver))
      return failure{errc::config, "namespace " + config::quote(space.name)
                                     + ": resolver "
                                     + config::quote(space.resolver)
                                     + " is not known to this program: use "
                                       "last, or hand yours to node::start"};
    result->spaces_.emplace(space.name, space);
    for (std::uint32_t i = 0; i < space.shards; ++i)
      shards.push_back({space.name, i});
  }
  if (shards.empty())
    return std::shared_ptr<replica_access>{};
  auto files = replica::disk::open({.directory = options.replica_path(),
                                    .cluster = options.cluster,
                                    .node = options.replica_id,
                                    .seed = std::random_device{}()},
                                   shards);
  if (!files)
    return files.error();
  result->files_ = std::move(*files);
  for (const auto& name : shards) {
    const auto& space = result->spaces_.find(name.space)->second;
    auto made =
      replica::service::open({.name = name,
                              .core = core_options_of(options, space),
                              .when_stale = when_stale(space.stale_reads),
                              .resolver = known.at(space.resolver)},
                             *result->files_, replica_now());
    if (!made)
      return made.error();
    result->services_[name] = std::move(*made);
  }
  // It has no door for clients.
  result->spaces_.erase(std::string{config::concept_replica_name});
  return result;
}

const config::namespace_options*
replica_access::find(std::string_view space) const {
  auto found = spaces_.find(space);
  return found == spaces_.end() ? nullptr : &found->second;
}

std::uint32_t replica_access::shard_of(std::string_view space,
                                       std::string_view key) const {
  return static_cast<std::uint32_t>(crdt::hash_bytes(placement::hash_tag(key))
                                    % find(space)->shards);
}

void replica_access::submit(const shard_name& shard, job what) {
  if (!at(shard).submit(std::move(what)))
    return;
  if (auto actor = actor_of(shard))
    tell_anonymously_urgently(actor, pulse_atom_v);
}

std::vector<shard_name> replica_access::shards() const {
  std::vector<shard_name> result;
  for (const auto& [name, service] : services_)
    result.push_back(name);
  return result;
}

replica::service& replica_access::at(const shard_name& shard) const {
  return *services_.at(shard);
}

void replica_access::attach(const shard_name& shard,
                            const replica_actor& actor) {
  std::lock_guard guard{mutex_};
  actors_[shard] = actor;
}

void replica_access::attach_disk(const replica_disk_actor& actor) {
  std::lock_guard guard{mutex_};
  disk_actor_ = actor;
}

replica_actor replica_access::actor_of(const shard_name& shard) const {
  std::lock_guard guard{mutex_};
  auto found = actors_.find(shard);
  return found == actors_.end() ? replica_actor{} : found->second;
}

replica_disk_actor replica_access::disk_actor() const {
  std::lock_guard guard{mutex_};
  return disk_actor_;
}

void replica_access::close() noexcept {
  for (auto& [name, service] : services_)
    service->drop_all();
  std::lock_guard guard{mutex_};
  actors_.clear();
  disk_actor_ = nullptr;
}

replica_actor spawn_replica(caf::actor_system& system,
                            std::shared_ptr<replica_access> access,
                            const shard_name& shard, std::uint32_t self,
                            std::uint32_t mailbox_messages) {
  return spawn_bounded<replica_actor, replica_state>(
    system, mailbox_messages,
    [access = std::move(access), shard,
     node = self](replica_state::self_pointer self) {
      auto& state = state_of(self);
      state.self = self;
      state.access = access;
      state.shard = shard;
      state.node = node;
      access->attach(shard, replica_actor{self});
      // Of the life before, if any.
      tell(self, replica_actor{self}, pulse_atom_v);
      return behavior(self);
    });
}

replica_disk_actor spawn_replica_disk(caf::actor_system& system,
                                      std::shared_ptr<replica_access> access) {
  return spawn_bounded_apart<replica_disk_actor, replica_disk_state>(
    system, replica::limits::max_waiting,
    [access = std::move(access)](
      actor_pointer<replica_disk_actor, replica_disk_state> self)
      -> replica_disk_actor::behavior_type {
      drop_unexpected(self);
      access->attach_disk(replica_disk_actor{self});
      tell(self, replica_disk_actor{self}, pulse_atom_v);
      return {
        [self, access](pulse_atom) {
          auto written = access->files().write_waiting();
          if (!written) {
            for (const auto& shard : access->shards())
              tell(self, access->actor_of(shard), written_atom_v,
                   std::uint64_t{0}, false, written.error().message());
            return;
          }
          for (const auto& part : *written)
            if (auto actor = access->actor_of(part.whose))
              tell(self, actor, written_atom_v, part.sequence,
                   part.wants_snapshot, std::string{});
        },
      };
    });
}

} // namespace neuroplex::actors
