// An epoch by Raft: what is accepted of its leader, what runs on its word.
#include "consensus/hybrid/core.hpp"

#include "consensus/pbft/codec.hpp"
#include "consensus/raft/codec.hpp"

#include <algorithm>

namespace neuroplex::hybrid {

namespace {

raft::snapshot_meta members_of(const options& settings) {
  raft::snapshot_meta meta;
  for (auto id : settings.agreement.replicas)
    meta.members.voters.push_back({id, 0});
  std::sort(meta.members.voters.begin(), meta.members.voters.end());
  return meta;
}

/// Only a leader says these.
bool is_of_leader(const raft::message_body& body) {
  return std::holds_alternative<raft::append_request>(body)
         || std::holds_alternative<raft::heartbeat>(body)
         || std::holds_alternative<raft::vote_request>(body);
}

/// Only one who is led says these.
bool is_of_follower(const raft::message_body& body) {
  return std::holds_alternative<raft::append_reply>(body)
         || std::holds_alternative<raft::heartbeat_reply>(body)
         || std::holds_alternative<raft::vote_reply>(body);
}

} // namespace

void core::begin_run() {
  ++runs_;
  run_ = std::make_unique<raft_run>(settled_.ledger().copy());
  run_->leader_heard = now_;
  auto& known = epochs_[followed_.epoch];
  auto start = settled_.rules().start;
  if (known.start != start) {
    known = {};
    known.start = start;
    remember(began_record{followed_.epoch, start});
  }
  if (known.vouched.index == 0)
    known.vouched.chain = start;
  // A leader sends before its own disk has it: in a second life it could sign
  // another chain.
  auto led_before = leads() && known.hard.term > 0;
  if (known.stopped || led_before)
    return;
  raft::durable_state state;
  state.hard = known.hard;
  state.snapshot = members_of(options_);
  for (const auto& one : known.links)
    state.log.push_back(one.what);
  auto node = raft::core::create(options_.raft_options(followed_.epoch),
                                 std::move(state), now_);
  // Without a node it takes no part, and soon wants the epoch to end.
  if (node)
    run_->node = std::make_unique<raft::core>(*std::move(node));
}

void core::end_run() {
  run_.reset();
}

digest core::chain_at(const known_epoch& of, log_index index) const {
  return index == 0 ? of.start : of.links[index - 1].chain;
}

// The log of the node grows only; its chain follows it.
void core::sync_links() {
  auto& known = epochs_[followed_.epoch];
  const auto& log = run_->node->log();
  for (auto at = known.links.size() + 1; at <= log.last_index(); ++at) {
    const auto& next = log.at(at);
    known.links.push_back(
      {next, chain_after(*keys_.own, chain_at(known, at - 1), next)});
  }
}

void core::receive(node_id from, const raft_message& body) {
  if (!run_ || !run_->node || body.epoch != followed_.epoch || !is_certified())
    return;
  auto read = raft::decode_message(body.encoded);
  if (!read || read->from != from || read->to != options_.agreement.id
      || !(is_of_leader(read->body) || is_of_follower(read->body))) {
    trust_.saw(from, fault_kind::malformed, now_);
    return;
  }
  // Others than the leader ask for votes in vain, and only it is answered.
  if (is_of_leader(read->body) != (from == followed_.leader)
      || (from != followed_.leader && !leads()))
    return;
  if (leads()) {
    // Nobody else begins terms.
    const auto* vote = std::get_if<raft::vote_reply>(&read->body);
    auto ahead = vote != nullptr && vote->pre && vote->granted ? 1U : 0U;
    if (read->term > run_->node->state().term + ahead) {
      trust_.saw(from, fault_kind::malformed, now_);
      return;
    }
  } else if (!check_append(body, *read)) {
    run_->leader_lies = true;
    return;
  }
  if (!leads() && !std::holds_alternative<raft::vote_request>(read->body))
    run_->leader_heard = now_;
  const auto* sent = std::get_if<raft::append_request>(&read->body);
  auto last =
    sent != nullptr && !sent->entries.empty() ? sent->entries.back().index : 0;
  run_->node->absorb(raft::received{*std::move(read)}, now_);
  sync_links();
  auto& known = epochs_[followed_.epoch];
  if (last > known.vouched.index && last == known.links.size()) {
    known.vouched = {last, chain_at(known, last)};
    known.by_leader = *body.by_leader;
    remember(head_record{followed_.epoch, known.vouched, known.by_leader});
  }
}

// Whether the entries follow on the own chain, are what clients asked for, and
// the leader signed for them. Those that cannot be judged are left out, so that
// the node tells the leader where it is.
bool core::check_append(const raft_message& body, raft::message& what) {
  auto* sent = std::get_if<raft::append_request>(&what.body);
  if (sent == nullptr || sent->entries.empty()
      || what.term < run_->node->state().term)
    return true;
  const auto& known = epochs_[followed_.epoch];
  if (sent->prev_index > known.links.size()) {
    sent->entries.clear();
    return true;
  }
  auto chain = chain_at(known, sent->prev_index);
  auto next = sent->prev_index;
  auto forks = false;
  for (const auto& one : sent->entries) {
    if (one.index != ++next || one.kind == raft::entry_kind::configuration) {
      trust_.saw(followed_.leader, fault_kind::malformed, now_);
      return false;
    }
    chain = chain_after(*keys_.own, chain, one);
    if (next <= known.links.size())
      forks = forks || chain != known.links[next - 1].chain;
  }
  if (!body.by_leader
      || !is_vouched(settled_.rules(), {next, chain}, *body.by_leader)) {
    trust_.saw(followed_.leader, fault_kind::false_proof, now_);
    return false;
  }
  if (forks) {
    trust_.saw(followed_.leader, fault_kind::equivocation, now_);
    return false;
  }
  auto fresh = sent->entries.begin()
               + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                 known.links.size() - sent->prev_index, sent->entries.size()));
  return std::all_of(fresh, sent->entries.end(),
                     [this](const entry& one) { return is_authentic(one); });
}

bool core::vouched_by_signature(const request& what) const {
  return !what.signed_by.empty()
         && keys_.own->is_signed(what.client, what.core.view(),
                                 pbft::signature_from(what.signed_by));
}

// A client of this group asked for a command, by its MAC or its signature.
bool core::vouched(const request& what) const {
  auto group = raft_side_of(options_.agreement.group);
  auto place = *options_.agreement.index_of(options_.agreement.id);
  auto asked = decode_order(what.operation);
  return what.client != nobody && what.number > 0
         && !options_.agreement.index_of(what.client)
         && pbft::is_of_group(what, group) && asked
         && std::holds_alternative<command>(*asked)
         && (keys_.own->is_authentic(what.client, what.core.view(),
                                     pbft::tag_at(what.tags, place))
             || vouched_by_signature(what));
}

bool core::is_authentic(const entry& what) const {
  if (what.kind == raft::entry_kind::nothing)
    return what.data.empty();
  auto requests = pbft::decode_batch(what.data);
  return requests
         && std::all_of((*requests)->begin(), (*requests)->end(),
                        [this](const request& one) {
                          return !one.read_only && vouched(one);
                        });
}

void core::receive(node_id /*from*/, const ask& body) {
  const auto& what = body.what;
  if (what.operation.size() > options_.agreement.max_operation_bytes
      || !vouched(what))
    return;
  if (run_ && run_->node && leads()
      && run_->node->state().role == raft::role::leader
      && trust_.trusts_all(now_)) {
    lead(what);
    return;
  }
  send(what.client, answer{settled_.where(), what.number, false, {}}, 0);
  if (!run_ || !run_->node || leads() || what.read_only
      || !vouched_by_signature(what))
    return;
  auto asked = decode_order(what.operation);
  auto number = std::get<command>(*asked).number;
  if (run_->running.has(what.client, number)
      || run_->waiting.size() >= options_.agreement.max_waiting_requests)
    return;
  auto& waits = run_->waiting[what.client];
  if (waits.number < number)
    waits = {number, now_};
  send(followed_.leader, ask{what}, 0);
}

void core::lead(const request& what) {
  auto id = ++run_->last_request;
  if (what.read_only) {
    if (run_->asked_reads.size() >= options_.agreement.max_waiting_requests)
      return;
    run_->asked_reads[id] = what;
    run_->node->absorb(raft::read{id}, now_);
    return;
  }
  auto asked = decode_order(what.operation);
  auto number = std::get<command>(*asked).number;
  if (run_->running.has(what.client, number)) {
    if (const auto* known = run_->running.result_of(what.client, number))
      reply(what, *known);
    return;
  }
  auto& proposed = run_->proposed[what.client];
  if (proposed >= number
      || epochs_[followed_.epoch].links.size() >= options_.max_epoch_entries)
    return;
  proposed = number;
  run_->proposals[id] = what.client;
  run_->node->absorb(raft::propose{id, {pbft::encode_batch({what})}}, now_);
}

void core::reply(const request& to, const slice& bytes) {
  send(to.client, answer{followed_, to.number, true, bytes}, 0);
}

void core::flush_raft() {
  if (!run_->node)
    return;
  auto& node = *run_->node;
  if (leads()) {
    if (node.state().role == raft::role::leader)
      run_->leader_heard = now_;
    else if (is_certified() && now_ >= run_->campaign_at) {
      run_->campaign_at = now_ + options_.raft.election_timeout;
      node.absorb(raft::campaign{}, now_);
    }
  }
  raft::effects wanted;
  for (auto more = true; more;) {
    node.flush(now_, wanted);
    sync_links();
    if (wanted.write) {
      // No entry is taken back in an epoch, and no snapshot replaces any.
      NEUROPLEX_ENSURE(!wanted.write->truncate_from && !wanted.write->reset_to);
      if (wanted.write->hard)
        epochs_[followed_.epoch].hard = *wanted.write->hard;
      in_write_.raft = wanted.write->id;
      in_write_.epoch = followed_.epoch;
      remember(raft_record{followed_.epoch, wanted.write->hard,
                           std::move(wanted.write->entries)});
    }
    for (const auto& one : wanted.messages)
      send_raft(one);
    for (const auto& one : wanted.answers) {
      auto read = run_->asked_reads.find(one.request);
      if (read != run_->asked_reads.end()) {
        if (one.kind == raft::answer_kind::read_ready)
          run_->ready_reads.push_back({one.index, read->second});
        run_->asked_reads.erase(read);
        continue;
      }
      auto proposal = run_->proposals.find(one.request);
      if (proposal == run_->proposals.end())
        continue;
      if (one.kind == raft::answer_kind::refused)
        run_->proposed.erase(proposal->second);
      run_->proposals.erase(proposal);
    }
    for (const auto& one : wanted.committed)
      apply(one);
    more = !wanted.committed.empty();
    if (more)
      node.absorb(raft::applied{run_->applied}, now_);
  }
  answer_reads();
}

void core::send_raft(const raft::message& what) {
  if (std::holds_alternative<raft::vote_request>(what.body) && !leads())
    return;
  raft_message said{followed_.epoch, {}, {}};
  const auto* sent = std::get_if<raft::append_request>(&what.body);
  if (sent != nullptr && !sent->entries.empty()) {
    auto& known = epochs_[followed_.epoch];
    auto last = sent->entries.back().index;
    head now{last, chain_at(known, last)};
    if (!(known.vouched == now)) {
      known.vouched = now;
      known.by_leader = keys_.own->sign(
        head_statement(options_.agreement.group, followed_.epoch, now));
    }
    said.by_leader = known.by_leader;
  }
  std::string bytes;
  raft::encode_message(what, bytes);
  said.encoded = slice::copy_of(bytes);
  send(what.to, said, 0);
}

void core::apply(const entry& what) {
  run_->applied = what.index;
  execute_entry(run_->running, what, followed_, false, pending_.executed);
  if (what.kind != raft::entry_kind::command)
    return;
  auto requests = pbft::decode_batch(what.data);
  if (!requests)
    return;
  for (const auto& one : **requests) {
    auto asked = decode_order(one.operation);
    const auto* wish = asked ? std::get_if<command>(&*asked) : nullptr;
    if (wish == nullptr)
      continue;
    auto waits = run_->waiting.find(one.client);
    if (waits != run_->waiting.end() && waits->second.number <= wish->number)
      run_->waiting.erase(waits);
    const auto* done = run_->running.result_of(one.client, wish->number);
    if (leads() && done != nullptr)
      reply(one, *done);
  }
}

void core::answer_reads() {
  while (!run_->ready_reads.empty()
         && run_->ready_reads.front().index <= run_->applied) {
    auto what = std::move(run_->ready_reads.front().what);
    run_->ready_reads.pop_front();
    auto asked = decode_order(what.operation);
    reply(what, run_->running.read(std::get<command>(*asked).what.view()));
  }
}

} // namespace neuroplex::hybrid
