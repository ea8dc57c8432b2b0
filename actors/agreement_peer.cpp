#include "actors/agreement_peer.hpp"

#include "actors/batch_split.hpp"
#include "actors/clock.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace neuroplex::actors {

namespace {

using store_operation_kind = store_machine::operation_kind;

constexpr const char* by_version =
  "compare_and_swap by version is not offered on a namespace that is agreed "
  "on: give the expected value";
constexpr const char* too_long =
  "more than a namespace that is agreed on takes in one request: send less";

store_operation_kind kind_of(operation op) {
  switch (op) {
    case operation::get:
    case operation::info:
      return store_operation_kind::get;
    case operation::set:
      return store_operation_kind::set;
    case operation::set_if_absent:
      return store_operation_kind::set_if_absent;
    case operation::set_if_present:
      return store_operation_kind::set_if_present;
    case operation::exchange:
      return store_operation_kind::exchange;
    case operation::compare_and_swap:
      return store_operation_kind::compare_and_swap;
    case operation::increment:
      return store_operation_kind::increment;
    case operation::append:
      return store_operation_kind::append;
    case operation::erase:
      return store_operation_kind::erase;
    case operation::take:
      return store_operation_kind::take;
    case operation::expire:
      return store_operation_kind::expire;
    case operation::persist:
      return store_operation_kind::persist;
  }
  return store_operation_kind::get;
}

reply refusal(errc code, std::string why = {}) {
  reply answer;
  answer.status = code;
  answer.value = std::move(why);
  return answer;
}

reply reply_of(operation op, store_machine::result what) {
  reply answer;
  answer.status = what.status;
  answer.number = what.number;
  answer.expires_at_ms = what.expires_at_ms;
  answer.found = what.found;
  if (op == operation::get || op == operation::info)
    answer.number = static_cast<std::int64_t>(what.value.size());
  if (op != operation::info)
    answer.value = std::move(what.value);
  return answer;
}

std::string encoded(const batch_request& what) {
  std::vector<store_machine::operation> operations;
  operations.reserve(what.items.size());
  for (const auto& item : what.items)
    operations.push_back({.kind = kind_of(what.op),
                          .space = what.space,
                          .key = item.key,
                          .value = item.value,
                          .ttl_ms = item.ttl_ms});
  return store_machine::encode_batch(operations);
}

// What remains of a deadline, on the clock of the host.
raft::time deadline_of(const request_header& header) {
  auto left = std::max<std::int64_t>(header.deadline_ms - unix_ms(), 0);
  return std::chrono::steady_clock::now().time_since_epoch()
         + milliseconds{left};
}

const char* name_of(agreement::protocol how) {
  switch (how) {
    case agreement::protocol::raft:
      return "raft_peer";
    case agreement::protocol::pbft:
      return "pbft_peer";
    case agreement::protocol::hybrid:
      return "hybrid_consensus";
  }
  return "agreement_peer";
}

struct agreement_peer_state {
  using self_pointer =
    actor_pointer<agreement_peer_actor, agreement_peer_state>;

  // The parts of a batch are answered apart: each is one command of a group.
  struct gathering {
    promise_of<batch_reply> whole;
    batch_gathering answers;
  };

  struct waiting {
    operation op = operation::get;
    std::size_t items = 1;
    promise_of<reply> single{};
    std::shared_ptr<gathering> batch{}; ///< null: a single request
    std::vector<std::uint32_t> positions{};
  };

  caf::result<reply> apply(request& what);
  caf::result<batch_reply> apply(batch_request& what);
  caf::result<reply> operate(const std::string& wish, std::uint32_t node,
                             std::uint64_t group);
  caf::result<watch_reply> watch(watch_request& what);
  void watched(std::uint64_t number, watch_reply& answer);
  void answered(std::uint64_t number, errc code, const std::string& bytes);
  void submit(agreement::group_id group, waiting one, bool read,
              std::string batch, const request_header& header);

  self_pointer self = nullptr;
  std::shared_ptr<agreement_access> access;
  message_limits most;
  std::uint64_t last_number = 0;
  std::map<std::uint64_t, waiting> under_way;
  std::map<std::uint64_t, promise_of<watch_reply>> watches;
  const char* name = "raft_peer"; ///< as the protocol has it
};

void agreement_peer_state::submit(agreement::group_id group, waiting one,
                                  bool read, std::string batch,
                                  const request_header& header) {
  auto number = ++last_number;
  under_way.emplace(number, std::move(one));
  access->host->submit({.group = group,
                        .read = read,
                        .batch = std::move(batch),
                        .deadline = deadline_of(header),
                        .done = [target = agreement_peer_actor{self},
                                 number](agreement::outcome what) {
                          tell_anonymously_urgently(
                            target, agreed_atom_v, number,
                            static_cast<std::uint8_t>(what.code),
                            std::move(what.answer));
                        }});
}

caf::result<reply> agreement_peer_state::apply(request& what) {
  if (auto taken = check(what, most); !taken)
    return refusal(taken.code(), taken.error().message());
  if (auto code = check(what); code != errc::ok)
    return refusal(code);
  if (what.op == operation::compare_and_swap && what.version != 0)
    return refusal(errc::bad_argument, by_version);
  if (what.value.size() > store_machine::limits::max_value_bytes)
    return refusal(errc::value_size, too_long);
  auto batch = store_machine::encode_batch({{.kind = kind_of(what.op),
                                             .keep_ttl = what.keep_ttl,
                                             .space = what.space,
                                             .key = what.key,
                                             .value = what.value,
                                             .expected = what.expected,
                                             .ttl_ms = what.ttl_ms,
                                             .delta = what.delta}});
  auto answer = make_promise<reply>(self);
  submit(access->host->group_of(what.key), {.op = what.op, .single = answer},
         !changes(what.op), std::move(batch), what.header);
  return answer;
}

caf::result<batch_reply> agreement_peer_state::apply(batch_request& what) {
  batch_reply refused;
  refused.status = check(what);
  if (auto taken = check(what, most); !taken)
    refused.status = taken.code();
  for (const auto& item : what.items)
    if (item.value.size() > store_machine::limits::max_value_bytes)
      refused.status = errc::value_size;
  if (refused.status != errc::ok || what.items.empty())
    return refused;
  const auto header = what.header;
  const auto op = what.op;
  const auto items = what.items.size();
  auto parts = split(std::move(what), [this](std::string_view key) {
    return access->host->group_of(key);
  });
  std::vector<std::string> batches;
  for (const auto& part : parts) {
    batches.push_back(encoded(part.batch));
    if (batches.back().size() > store_machine::limits::max_batch_bytes) {
      refused.status = errc::value_size;
      return refused;
    }
  }
  auto answer = make_promise<batch_reply>(self);
  auto all = std::make_shared<gathering>(
    gathering{answer, batch_gathering{items, parts.size()}});
  for (std::size_t i = 0; i < parts.size(); ++i)
    submit(parts[i].group,
           {.op = op,
            .items = parts[i].positions.size(),
            .batch = all,
            .positions = std::move(parts[i].positions)},
           !changes(op), std::move(batches[i]), header);
  return answer;
}

void agreement_peer_state::answered(std::uint64_t number, errc code,
                                    const std::string& bytes) {
  auto found = under_way.find(number);
  if (found == under_way.end())
    return;
  auto one = std::move(found->second);
  under_way.erase(found);
  std::vector<store_machine::result> results;
  if (code == errc::ok) {
    auto decoded = store_machine::decode_answer(bytes);
    if (decoded && decoded->size() == one.items)
      results = std::move(*decoded);
    else
      code = changes(one.op) ? errc::unknown_outcome : errc::protocol;
  }
  if (!one.batch) {
    one.single.deliver(code == errc::ok
                         ? reply_of(one.op, std::move(results.front()))
                         : refusal(code));
    return;
  }
  batch_reply part;
  part.status = code;
  for (auto& result : results)
    part.answers.push_back({result.status, std::move(result.value)});
  one.batch->answers.put(one.positions, std::move(part));
  if (one.batch->answers.complete())
    one.batch->whole.deliver(one.batch->answers.take());
}

caf::result<reply> agreement_peer_state::operate(const std::string& wish,
                                                 std::uint32_t node,
                                                 std::uint64_t group) {
  auto answer = make_promise<reply>(self);
  auto number = ++last_number;
  // The reason travels as a value.
  under_way.emplace(number, waiting{.op = operation::take, .single = answer});
  auto done = [target = agreement_peer_actor{self},
               number](const expected<void>& how) {
    store_machine::result result{.status = how.code()};
    if (!how)
      result.value = how.error().message();
    tell_anonymously_urgently(target, agreed_atom_v, number, std::uint8_t{0},
                              store_machine::encode_answer({result}));
  };
  access->host->operate(wish, node, group, done);
  return answer;
}

// Values that do not fit into a message stay behind.
watch_reply reply_of(agreement::watch_answer what, std::uint64_t value_bytes) {
  watch_reply answer;
  answer.status = what.code;
  answer.gap = what.gap;
  answer.next.seen = std::move(what.next.seen);
  answer.next.feed = what.next.feed;
  answer.next.place = what.next.place;
  answer.changes.reserve(what.changes.size());
  for (auto& one : what.changes) {
    watched_entry shown;
    shown.event = static_cast<watch_event>(one.what.kind);
    shown.key = std::move(one.what.key);
    shown.value_omitted =
      one.what.value_omitted || one.what.value.size() > value_bytes;
    if (!shown.value_omitted)
      shown.value = std::move(one.what.value);
    value_bytes -= shown.value.size();
    shown.group = one.group;
    shown.index = one.index;
    answer.changes.push_back(std::move(shown));
  }
  return answer;
}

caf::result<watch_reply> agreement_peer_state::watch(watch_request& what) {
  static_assert(static_cast<int>(watch_event::erase)
                  == static_cast<int>(store_machine::change_kind::erase)
                && static_cast<int>(watch_event::expire)
                     == static_cast<int>(store_machine::change_kind::expire));
  watch_reply refused;
  refused.status = check(what);
  if (refused.status == errc::ok
      && (access->raft == nullptr || !access->keeps(what.space)))
    refused.status = errc::bad_argument;
  if (refused.status != errc::ok)
    return refused;
  auto answer = make_promise<watch_reply>(self);
  auto number = ++last_number;
  watches.emplace(number, answer);
  // The way back takes time, too.
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto deadline = now + (deadline_of(what.header) - now) * 4 / 5;
  access->raft->watch(
    {.space = std::move(what.space),
     .prefix = std::move(what.prefix),
     .after = {.seen = std::move(what.after.seen),
               .feed = what.after.feed,
               .place = what.after.place},
     .max_changes = what.max_changes,
     .max_bytes = static_cast<std::size_t>(most.value_bytes()),
     .deadline = deadline,
     .done = [target = agreement_peer_actor{self}, number,
              bytes = most.value_bytes()](agreement::watch_answer told) {
       tell_anonymously_urgently(target, watch_atom_v, number,
                                 reply_of(std::move(told), bytes));
     }});
  return answer;
}

void agreement_peer_state::watched(std::uint64_t number, watch_reply& answer) {
  auto found = watches.find(number);
  if (found == watches.end())
    return;
  found->second.deliver(std::move(answer));
  watches.erase(found);
}

agreement_peer_actor::behavior_type
agreement_peer(agreement_peer_state::self_pointer self) {
  drop_unexpected(self);
  auto* state = &state_of(self);
  return {
    [state](apply_atom, request& what) { return state->apply(what); },
    [state](batch_atom, batch_request& what) { return state->apply(what); },
    [state](member_atom, const std::string& wish, std::uint32_t node,
            std::uint64_t group) { return state->operate(wish, node, group); },
    [state](watch_atom, watch_request& what) { return state->watch(what); },
    [state](watch_atom, std::uint64_t number, watch_reply& answer) {
      state->watched(number, answer);
    },
    [state](agreed_atom, std::uint64_t number, std::uint8_t code,
            const std::string& bytes) {
      state->answered(
        number, code < errc_count ? static_cast<errc>(code) : errc::protocol,
        bytes);
    },
    [state](stats_atom) { return report_of(state->access); },
  };
}

agreement_group_report group_report_of(const agreement::group_status& what,
                                       const agreement::host_report& all,
                                       std::uint32_t self) {
  const auto& core = what.core;
  agreement_group_report result;
  result.group = what.group;
  result.role = raft::role_name(core.role);
  result.voter = core.voter;
  result.leader = static_cast<std::uint32_t>(core.leader);
  result.term = core.term;
  result.last_index = core.last_index;
  result.commit = core.commit;
  result.applied = core.applied;
  result.snapshot = core.snapshot_index;
  result.log_bytes = core.log_bytes;
  result.commands = what.commands;
  result.reads = what.reads;
  result.elections = what.elections;
  result.odd_messages = core.odd_messages;
  result.problem = what.problem;
  auto add = [&](const std::vector<raft::member>& members, const char* kind) {
    for (const auto& one : members) {
      agreement_member shown;
      shown.replica_id = static_cast<std::uint32_t>(one.id);
      shown.kind = kind;
      if (one.id == self) {
        shown.present = one.incarnation == all.incarnation;
        shown.connected = true;
        shown.match = core.durable_index;
      }
      for (const auto& peer : all.peers)
        if (peer.id == one.id) {
          shown.present = one.incarnation == peer.incarnation;
          shown.connected = peer.to_it && peer.from_it;
        }
      for (const auto& peer : core.peers)
        if (peer.id == one.id)
          shown.match = peer.match;
      result.members.push_back(std::move(shown));
    }
  };
  add(core.members.voters, "voter");
  for (const auto& one : core.members.outgoing)
    if (raft::find_member(core.members.voters, one.id) == nullptr)
      add({one}, "leaving");
  add(core.members.learners, "learner");
  return result;
}

void add_raft(agreement_report& result, const agreement::host_report& all) {
  result.formed = all.formed;
  for (const auto& one : all.groups)
    result.groups.push_back(
      group_report_of(one, all, static_cast<std::uint32_t>(one.core.id)));
  result.log_batches = all.log.batches;
  result.log_writes = all.log.writes;
  result.log_bytes = all.log.bytes;
  result.log_full = all.log.full;
  result.problem = all.log.problem;
  if (result.problem.empty() && !all.problems.empty())
    result.problem = all.problems.front();
}

// What can be said of it in the words that Raft has, so that who asks for the
// leader or for progress need not know the protocol.
agreement_group_report group_report_of(const byzantine::host_report& all) {
  const auto& core = all.member.core;
  auto by_raft = core.where.how == hybrid::mode::raft;
  auto first = by_raft ? core.where.leader : core.agreement.primary;
  auto is_first = first == core.agreement.id;
  // Who wants the epoch of a leader to end has none until there is another.
  auto leads =
    by_raft ? !core.suspects && !core.stopped_epoch : core.agreement.active;
  agreement_group_report result;
  result.group = agreement::first_group;
  if (by_raft)
    result.role = is_first ? "leader" : "follower";
  else
    result.role = is_first ? "primary" : "backup";
  result.voter = true;
  result.leader = static_cast<std::uint32_t>(leads ? first : 0);
  result.term = by_raft ? core.where.epoch : core.agreement.view;
  result.last_index = core.agreement.handed_out;
  result.commit = core.agreement.handed_out;
  result.applied = core.agreement.executed;
  result.snapshot = core.agreement.stable;
  result.commands = core.running;
  result.reads = all.member.reads;
  result.elections = core.agreement.view_changes;
  result.odd_messages = core.agreement.misdeeds;
  result.problem = all.member.problem;
  result.members.push_back(
    {.replica_id = static_cast<std::uint32_t>(core.agreement.id),
     .kind = "voter",
     .present = true,
     .connected = true,
     .match = core.agreement.executed});
  for (const auto& peer : all.peers)
    result.members.push_back({.replica_id = static_cast<std::uint32_t>(peer.id),
                              .kind = "voter",
                              .present = true,
                              .connected = peer.to_it && peer.from_it});
  std::sort(
    result.members.begin(), result.members.end(),
    [](const auto& x, const auto& y) { return x.replica_id < y.replica_id; });
  return result;
}

void add_byzantine(agreement_report& result,
                   const byzantine::host_report& all) {
  const auto& core = all.member.core;
  result.formed = all.formed;
  if (all.formed)
    result.groups.push_back(group_report_of(all));
  result.log_batches = all.log.flushes;
  result.log_writes = all.log.writes;
  result.log_bytes = all.log.bytes;
  result.log_full = all.log_full;
  if (!all.problems.empty())
    result.problem = all.problems.front();
  auto& shown = result.byzantine;
  shown.mode = core.where.how == hybrid::mode::raft ? "raft" : "pbft";
  shown.faults = static_cast<std::uint32_t>(all.faults);
  shown.epoch = core.where.epoch;
  shown.view = core.agreement.view;
  shown.primary = static_cast<std::uint32_t>(core.agreement.primary);
  shown.view_active = core.agreement.active;
  shown.executed = core.agreement.executed;
  shown.stable_checkpoint = core.agreement.stable;
  shown.view_changes = core.agreement.view_changes;
  shown.state_transfers = core.agreement.transfers;
  shown.transferring = core.agreement.transferring;
  shown.misdeeds = core.agreement.misdeeds;
  shown.evidence = core.evidence;
  shown.lowest_trust = core.lowest_trust;
  shown.switches = all.member.switches;
  shown.rolled_back = core.rolled_back;
  shown.operations = all.member.operations;
  shown.wishes = all.member.wishes;
  shown.key = all.fingerprint;
}

} // namespace

agreement_report report_of(const std::shared_ptr<agreement_access>& access) {
  agreement_report result;
  if (!access)
    return result;
  result.enabled = true;
  result.protocol = agreement::protocol_name(access->how);
  result.port = access->host->port();
  result.spaces.assign(access->spaces.begin(), access->spaces.end());
  if (access->raft != nullptr)
    add_raft(result, access->raft->report());
  else
    add_byzantine(result, access->byzantine->report());
  return result;
}

agreement_peer_actor spawn_agreement_peer(
  caf::actor_system& system, std::shared_ptr<agreement_access> access,
  std::uint32_t mailbox_messages, const message_limits& most) {
  return spawn_bounded<agreement_peer_actor, agreement_peer_state>(
    system, mailbox_messages,
    [access = std::move(access),
     most](agreement_peer_state::self_pointer self) {
      auto& state = state_of(self);
      state.self = self;
      state.access = access;
      state.most = most;
      state.name = name_of(access->how);
      return agreement_peer(self);
    });
}

} // namespace neuroplex::actors
