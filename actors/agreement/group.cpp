#include "actors/agreement/group.hpp"

#include "consensus/placement/slots.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::agreement {

namespace {

// Commands are put together into entries of about this size.
constexpr std::size_t entry_bytes = std::size_t{256} << 10;

// Entries of this leader that are not committed yet, before others wait.
constexpr std::size_t most_entries_under_way = 2;

// Turns that one call may take until nothing is left that could be done at
// once; more comes with the next call.
constexpr int most_rounds = 8;

std::string reason(raft::refusal why, raft::node_id leader) {
  auto text = "raft: refused: " + std::string{raft::refusal_name(why)};
  if (why == raft::refusal::not_leader)
    text += leader == raft::nobody
              ? ": nobody leads at present, try again"
              : ": ask node " + std::to_string(leader) + ", which leads";
  return text;
}

bool is_beat(const raft::message& what) {
  return std::holds_alternative<raft::heartbeat>(what.body)
         || std::holds_alternative<raft::heartbeat_reply>(what.body);
}

store_machine::machine_options machine_of(const group::options& settings) {
  auto machine = settings.machine;
  machine.notes_changes = settings.feed != nullptr;
  if (settings.groups > 1)
    machine.holds = [id = settings.id,
                     groups = settings.groups](std::string_view key) {
      return group_of(key, groups) == id;
    };
  return machine;
}

errc code_of(raft::refusal why) {
  switch (why) {
    case raft::refusal::not_leader:
    case raft::refusal::no_commit_yet:
    case raft::refusal::stopped:
      return errc::unavailable;
    case raft::refusal::bad_change:
    case raft::refusal::not_a_learner:
    case raft::refusal::not_a_voter:
      return errc::bad_argument;
    default:
      return errc::busy;
  }
}

} // namespace

group_id group_of(std::string_view key, std::uint64_t groups) {
  auto slot = placement::slot_of(placement::hash_tag(key));
  return first_group
         + placement::range_of_slot(slot, static_cast<std::uint32_t>(groups));
}

void group_output::clear() {
  messages.clear();
  writes.clear();
  replies.clear();
  to_keep.reset();
  role_changed = false;
}

expected<std::unique_ptr<group>>
group::open(const options& settings, memory::store& store, snapshot_files files,
            raft::durable_state state, raft::time now) {
  auto latest = files.latest();
  if (latest)
    state.snapshot = *latest;
  auto core = raft::core::create(settings.raft, std::move(state), now);
  if (!core)
    return core.error();
  std::unique_ptr<group> result{
    new group(settings, store, std::move(files), std::move(*core))};
  if (auto begun = result->machine_.begin(settings.spaces); !begun)
    return begun.error();
  if (latest) {
    auto bytes = result->files_.load();
    if (!bytes)
      return bytes.error();
    if (auto restored = result->machine_.restore(*bytes); !restored)
      return restored.error();
    result->applied_ = latest->index;
    if (settings.feed != nullptr)
      settings.feed->replaced(settings.id, latest->index);
  }
  return result;
}

group::group(const options& settings, memory::store& store,
             snapshot_files files, raft::core core)
  : options_{settings}, machine_{store, machine_of(settings)},
    files_{std::move(files)}, core_{std::move(core)} {
  term_ = core_.state().term;
  counters_.group = settings.id;
}

// -- what happens -------------------------------------------------------------

bool group::receive(raft::message what, raft::time now) {
  news_ = news_ || !is_beat(what);
  core_.absorb(raft::received{std::move(what)}, now);
  return core_.wants_flush();
}

void group::request(raft::node_id from, request_frame what) {
  news_ = true;
  asker who{from, what.tag};
  if (role_ != raft::role::leader)
    refused_.push_back(who);
  else if (what.read)
    reads_.push_back({who, std::move(what.batch)});
  else if (!what.batch.empty() && !machine_.has_room_for(what.batch))
    full_.push_back(who);
  else
    commands_.push_back({who, std::move(what)});
}

void group::written(raft::write_id write, raft::time now) {
  news_ = true;
  core_.absorb(raft::persisted{write}, now);
}

void group::disk_failed(const std::string& why, raft::time now) {
  stop(why, now);
}

void group::stop(const std::string& why, raft::time now) {
  if (counters_.problem.empty())
    counters_.problem = why;
  core_.absorb(raft::persist_failed{}, now);
  absorbed_ = true;
  news_ = true;
}

void group::lost_peer(raft::node_id peer, raft::time now) {
  core_.absorb(raft::peer_unreachable{peer}, now);
}

void group::snapshot_kept(const raft::snapshot_meta& meta, expected<void> how,
                          raft::time now) {
  snapshot_under_way_ = false;
  news_ = true;
  auto overtaken = files_.latest() && files_.latest()->index >= meta.index;
  if (how && !overtaken)
    how = files_.adopt(meta);
  if (how && !overtaken) {
    ++counters_.snapshots;
    core_.absorb(raft::snapshot_taken{meta}, now);
  }
  for (auto& done : std::exchange(snapshot_wishes_, {}))
    done(how);
}

// -- an operator's wishes -----------------------------------------------------

void group::change(std::vector<raft::member_change> changes,
                   operator_answer done, raft::time now) {
  wishes_.emplace(++last_request_, std::move(done));
  core_.absorb(raft::change_membership{.request = last_request_,
                                       .changes = std::move(changes)},
               now);
}

void group::transfer(raft::node_id to, operator_answer done, raft::time now) {
  wishes_.emplace(++last_request_, std::move(done));
  core_.absorb(raft::transfer_leadership{.request = last_request_, .to = to},
               now);
}

void group::take_snapshot(operator_answer done) {
  snapshot_wanted_ = true;
  snapshot_wishes_.push_back(std::move(done));
}

void group::campaign(raft::time now) {
  core_.absorb(raft::campaign{}, now);
}

bool group::could_hand_over_to(raft::node_id to) const {
  if (role_ != raft::role::leader)
    return false;
  auto all = core_.state();
  if (raft::find_member(all.members.voters, to) == nullptr
      || all.transfer_to != raft::nobody)
    return false;
  return std::any_of(all.peers.begin(), all.peers.end(), [&](const auto& one) {
    return one.id == to && one.recently_active
           && one.state == raft::progress_state::replicate;
  });
}

// -- a turn -------------------------------------------------------------------

void group::turn(raft::time now, std::int64_t unix_ms, bool may_keep,
                 group_output& out) {
  if (core_.next_deadline() <= now)
    core_.absorb(raft::tick{}, now);
  for (const auto& who : refused_)
    tell_lost({who}, reply_verdict::try_again, out);
  refused_.clear();
  for (const auto& who : std::exchange(full_, {}))
    out.replies.push_back({who.from,
                           {.group = options_.id,
                            .tag = who.tag,
                            .verdict = reply_verdict::refused,
                            .code = errc::no_space,
                            .leader = leader_}});
  for (int round = 0; round < most_rounds; ++round) {
    absorbed_ = false;
    propose_gathered(now, unix_ms);
    ask_for_reads(now);
    core_.flush(now, effects_);
    carry_out(now, out);
    if (!absorbed_)
      break;
  }
  consider_snapshot(may_keep, out);
}

raft::time group::next_deadline(raft::time now, std::int64_t unix_ms) const {
  auto next = absorbed_ ? now : core_.next_deadline();
  if (auto expiry_ms = machine_.next_expiry_ms();
      expiry_ms != 0 && role_ == raft::role::leader) {
    auto left = std::chrono::milliseconds{std::max<std::int64_t>(
      std::min<std::int64_t>(expiry_ms - unix_ms, 1'000), 1)};
    next = std::min(next, now + left);
  }
  return next;
}

// Time passes in the log by entries: without any, the leader writes an empty
// one when something is due.
bool group::expiry_due(std::int64_t unix_ms) const {
  auto expiry_ms = machine_.next_expiry_ms();
  return role_ == raft::role::leader && expiry_ms != 0 && expiry_ms <= unix_ms
         && proposals_.empty() && own_entries_.empty();
}

void group::propose_gathered(raft::time now, std::int64_t unix_ms) {
  if (commands_.empty() && !expiry_due(unix_ms))
    return;
  // More gathers while these are under way: many small entries cost more than
  // the wait.
  if (own_entries_.size() + proposals_.size() >= most_entries_under_way)
    return;
  std::vector<raft::slice> payloads;
  std::vector<std::vector<asker>> askers;
  store_machine::log_entry entry{.time_ms = unix_ms};
  std::vector<asker> in_entry;
  std::size_t bytes = 0;
  auto close_entry = [&] {
    auto encoded =
      std::make_shared<const std::string>(store_machine::encode_entry(entry));
    const auto* data = encoded->data();
    auto size = encoded->size();
    payloads.emplace_back(std::move(encoded), data, size);
    askers.push_back(std::exchange(in_entry, {}));
    entry.commands.clear();
    bytes = 0;
  };
  for (const auto& one : commands_) {
    auto opens = one.what.batch.empty();
    if (!in_entry.empty()
        && (opens || bytes + one.what.batch.size() > entry_bytes
            || in_entry.size() >= store_machine::limits::max_commands))
      close_entry();
    entry.commands.push_back(
      {.kind = opens ? store_machine::command_kind::open_session
                     : store_machine::command_kind::execute,
       .session = one.what.session,
       .sequence = one.what.sequence,
       .acknowledged = one.what.acknowledged,
       .batch = one.what.batch});
    in_entry.push_back(one.who);
    bytes += one.what.batch.size();
    if (opens)
      close_entry();
  }
  if (!in_entry.empty() || (payloads.empty() && expiry_due(unix_ms)))
    close_entry();
  commands_.clear();
  if (payloads.empty())
    return;
  counters_.proposals += payloads.size();
  proposals_.emplace(++last_request_, std::move(askers));
  core_.absorb(raft::propose{last_request_, std::move(payloads)}, now);
}

void group::ask_for_reads(raft::time now) {
  if (reads_.empty())
    return;
  counters_.reads += reads_.size();
  asked_reads_.emplace(++last_request_, std::exchange(reads_, {}));
  core_.absorb(raft::read{last_request_}, now);
}

void group::carry_out(raft::time now, group_output& out) {
  if (effects_.role) {
    out.role_changed = true;
    news_ = true;
    if (effects_.role->role == raft::role::leader
        && role_ != raft::role::leader)
      ++counters_.elections;
    role_ = effects_.role->role;
    leader_ = effects_.role->leader;
    term_ = effects_.role->term;
  }
  std::move(effects_.messages.begin(), effects_.messages.end(),
            std::back_inserter(out.messages));
  if (effects_.write)
    out.writes.push_back(std::move(*effects_.write));
  for (const auto& one : effects_.answers)
    take_answer(one, out);
  apply(effects_.committed, now, out);
  carry_out_snapshots(now, out);
  serve_reads(out);
}

void group::tell_lost(const std::vector<asker>& askers, reply_verdict verdict,
                      group_output& out) {
  for (const auto& who : askers)
    out.replies.push_back({who.from,
                           {.group = options_.id,
                            .tag = who.tag,
                            .verdict = verdict,
                            .leader = leader_}});
}

void group::take_answer(const raft::answer& what, group_output& out) {
  if (auto found = proposals_.find(what.request); found != proposals_.end()) {
    auto askers = std::move(found->second);
    proposals_.erase(found);
    for (std::size_t i = 0; i < askers.size(); ++i)
      if (what.kind == raft::answer_kind::accepted)
        own_entries_[what.index - what.count + 1 + i] =
          own_entry{what.term, what.request, std::move(askers[i])};
      else
        tell_lost(askers[i], reply_verdict::try_again, out);
    return;
  }
  if (what.kind == raft::answer_kind::outcome_unknown) {
    for (auto one = own_entries_.begin(); one != own_entries_.end();) {
      if (one->second.proposal != what.request) {
        ++one;
        continue;
      }
      tell_lost(one->second.askers, reply_verdict::lost_track, out);
      one = own_entries_.erase(one);
    }
    return;
  }
  if (auto found = asked_reads_.find(what.request);
      found != asked_reads_.end()) {
    auto reads = std::move(found->second);
    asked_reads_.erase(found);
    if (what.kind == raft::answer_kind::read_ready)
      ready_reads_.emplace(what.index, std::move(reads));
    else
      for (const auto& one : reads)
        tell_lost({one.who}, reply_verdict::try_again, out);
    return;
  }
  if (auto found = wishes_.find(what.request); found != wishes_.end()) {
    auto done = std::move(found->second);
    wishes_.erase(found);
    if (what.kind == raft::answer_kind::refused)
      done(failure{code_of(what.why), reason(what.why, what.leader)});
    else
      done({});
  }
}

// -- the state machine --------------------------------------------------------

void group::apply(std::vector<raft::entry>& committed, raft::time now,
                  group_output& out) {
  if (committed.empty())
    return;
  for (const auto& one : committed) {
    std::vector<store_machine::command_answer> answers;
    if (one.kind == raft::entry_kind::command) {
      auto done = machine_.apply(one.index, one.data.view());
      if (!done)
        return stop(done.error().message(), now);
      answers = std::move(*done);
      counters_.commands += answers.size();
    }
    applied_ = one.index;
    applied_bytes_ += one.data.size();
    if (options_.feed != nullptr)
      options_.feed->applied(options_.id, one.index, machine_.take_changes());
    answer_commands(one, std::move(answers), out);
  }
  core_.absorb(raft::applied{applied_}, now);
  absorbed_ = true;
  news_ = true;
}

void group::answer_commands(const raft::entry& what,
                            std::vector<store_machine::command_answer> answers,
                            group_output& out) {
  auto found = own_entries_.find(what.index);
  if (found == own_entries_.end())
    return;
  auto own = std::move(found->second);
  own_entries_.erase(found);
  if (own.term != what.term || own.askers.size() != answers.size())
    return tell_lost(own.askers, reply_verdict::lost_track, out);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto& answer = answers[i];
    reply_frame reply{.group = options_.id,
                      .tag = own.askers[i].tag,
                      .leader = leader_,
                      .session = answer.session,
                      .bytes = std::move(answer.bytes)};
    switch (answer.verdict) {
      case raft::session_verdict::execute:
      case raft::session_verdict::repeated:
        reply.verdict = reply_verdict::done;
        break;
      case raft::session_verdict::forgotten:
        reply.verdict = reply_verdict::forgotten;
        break;
      case raft::session_verdict::too_far:
        reply.verdict = reply_verdict::try_again;
        break;
      case raft::session_verdict::unknown:
        reply.verdict = reply_verdict::no_session;
        break;
    }
    out.replies.push_back({own.askers[i].from, std::move(reply)});
  }
}

void group::serve_reads(group_output& out) {
  while (!ready_reads_.empty() && ready_reads_.begin()->first <= applied_) {
    for (const auto& one : ready_reads_.begin()->second) {
      reply_frame reply{.group = options_.id,
                        .tag = one.who.tag,
                        .verdict = reply_verdict::refused,
                        .leader = leader_};
      auto operations = store_machine::decode_batch(one.batch);
      auto results =
        operations
          ? machine_.read(*operations)
          : expected<std::vector<store_machine::result>>{operations.error()};
      if (results) {
        reply.verdict = reply_verdict::done;
        reply.bytes = store_machine::encode_answer(*results);
      } else {
        reply.code = results.code();
      }
      out.replies.push_back({one.who.from, std::move(reply)});
    }
    ready_reads_.erase(ready_reads_.begin());
  }
}

// -- snapshots ----------------------------------------------------------------

void group::carry_out_snapshots(raft::time now, group_output& /*out*/) {
  for (const auto& wanted : effects_.chunk_reads) {
    auto piece =
      files_.read(wanted.meta.index, wanted.offset, wanted.max_bytes);
    if (piece) {
      auto last = wanted.offset + piece->size() == wanted.meta.bytes;
      core_.absorb(raft::chunk_read{wanted.to, wanted.meta.index, wanted.offset,
                                    std::move(*piece), last},
                   now);
    } else {
      core_.absorb(raft::chunk_unavailable{wanted.to, wanted.meta.index}, now);
    }
    absorbed_ = true;
  }
  if (effects_.store) {
    const auto& piece = *effects_.store;
    auto kept = files_.receive(piece.meta, piece.offset, piece.data.view());
    if (kept)
      core_.absorb(
        raft::chunk_stored{piece.meta.index, piece.offset + piece.data.size()},
        now);
    else
      core_.absorb(raft::snapshot_failed{piece.meta.index}, now);
    absorbed_ = true;
  }
  if (effects_.install) {
    const auto meta = *effects_.install;
    absorbed_ = true;
    auto state = files_.complete(meta);
    if (!state) {
      core_.absorb(raft::snapshot_failed{meta.index}, now);
      return;
    }
    if (auto restored = machine_.restore(*state); !restored)
      return stop(restored.error().message(), now);
    applied_ = meta.index;
    applied_bytes_ = 0;
    if (options_.feed != nullptr)
      options_.feed->replaced(options_.id, meta.index);
    ++counters_.installed;
    core_.absorb(raft::snapshot_installed{meta.index}, now);
  }
}

void group::consider_snapshot(bool may_keep, group_output& out) {
  if (applied_bytes_ >= options_.snapshot_after_bytes)
    snapshot_wanted_ = true;
  if (!snapshot_wanted_ || snapshot_under_way_ || !may_keep)
    return;
  snapshot_wanted_ = false;
  auto meta = core_.snapshot_meta_at(applied_);
  auto state = meta ? machine_.save()
                    : expected<std::string>{failure{
                      errc::unavailable, "raft: nothing was applied since the "
                                         "last snapshot"}};
  if (!state) {
    for (auto& done : std::exchange(snapshot_wishes_, {}))
      done(state.error());
    return;
  }
  snapshot_files::describe(*state, *meta);
  applied_bytes_ = 0;
  snapshot_under_way_ = true;
  out.to_keep = group_output::snapshot{*meta, std::move(*state)};
}

group_status group::status() const {
  auto all = counters_;
  all.core = core_.state();
  all.sessions = machine_.sessions();
  return all;
}

} // namespace neuroplex::agreement
