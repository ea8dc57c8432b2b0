#include "consensus/raft/core.hpp"

#include "consensus/raft/codec.hpp"

#include <algorithm>

namespace neuroplex::raft {

namespace {

failure corrupt_state(const char* what) {
  return {errc::corrupt, std::string{"raft: the durable state "} + what};
}

expected<void> check_log(const durable_state& state) {
  const auto& log = state.log;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log[i].index != log.front().index + i || log[i].index == 0)
      return corrupt_state("has a gap in its log");
    if (i > 0 && log[i].term < log[i - 1].term)
      return corrupt_state("has a log whose terms fall");
    if (log[i].term > state.hard.term)
      return corrupt_state("has an entry of a term that it never entered");
    if (log[i].kind == entry_kind::configuration
        && !decode_configuration(log[i].data.view()))
      return corrupt_state("has a configuration that cannot be read");
  }
  if (!log.empty() && log.front().index > state.snapshot.index + 1)
    return corrupt_state("lacks entries between its snapshot and its log");
  if (!well_formed(state.snapshot.members))
    return corrupt_state("has a snapshot with an impossible configuration");
  return {};
}

/// Whether the log goes on where the snapshot ends. A snapshot from a leader
/// may be durable while the log, shorter or of another history, is not cut yet:
/// then the snapshot alone is true.
bool log_continues(const durable_state& state) {
  const auto& log = state.log;
  const auto& snapshot = state.snapshot;
  if (log.empty() || log.back().index < snapshot.index)
    return false;
  if (log.front().index == snapshot.index + 1)
    return log.front().term >= snapshot.term;
  return log[snapshot.index - log.front().index].term == snapshot.term;
}

} // namespace

expected<core> core::create(const options& settings, durable_state state,
                            time now) {
  if (auto valid = settings.validate(); !valid)
    return valid.error();
  if (auto valid = check_log(state); !valid)
    return valid.error();
  return core{settings, std::move(state), now};
}

core::core(const options& settings, durable_state state, time now)
  : options_{settings}, now_{now}, term_{state.hard.term},
    vote_{state.hard.vote}, log_{state.snapshot.index, state.snapshot.term},
    members_{state.snapshot.index, state.snapshot.members},
    own_snapshot_{state.snapshot}, random_{
                                     settings.seed
                                     ^ (settings.id * 0x9E37'79B9'7F4A'7C15U)} {
  if (log_continues(state)) {
    if (state.log.front().index <= state.snapshot.index) {
      // Keeps what precedes the snapshot for followers that lag; the term
      // before the first entry is not known, so that one serves as the base.
      log_.reset(state.log.front().index, state.log.front().term);
    }
    for (auto& what : state.log) {
      if (what.index <= log_.base_index())
        continue;
      if (what.kind == entry_kind::configuration
          && what.index > state.snapshot.index)
        members_.append(what.index, *decode_configuration(what.data.view()));
      log_.append(std::move(what));
    }
  } else if (!state.log.empty() || state.snapshot.index > 0) {
    // Said even where there is no log: it may begin elsewhere, too.
    reset_to_ = state.snapshot.index;
  }
  tracker_ = write_tracker{log_.last_index()};
  unwritten_from_ = log_.last_index() + 1;
  if (term_ < state.snapshot.term) {
    // The snapshot became durable before the term did. No vote of that term
    // can have left this node: a vote is durable before it leaves.
    term_ = state.snapshot.term;
    vote_ = nobody;
    mark_hard_dirty();
  }
  commit_ = std::max(state.snapshot.index,
                     std::min(state.hard.commit, log_.last_index()));
  handed_out_ = state.snapshot.index;
  applied_ = state.snapshot.index;
  if (options_.lease_reads) {
    // It may have promised a leader to keep still, and does not remember.
    promised_until_ = now_ + options_.election_timeout;
  }
  told_role_ = {role_, term_, leader_};
  told_members_index_ = members_.current_index();
  told_members_committed_ = told_members_index_ <= commit_;
  restart_election_timer();
}

void core::step(const input& what, time now, effects& out) {
  absorb(what, now);
  flush(now, out);
}

void core::absorb(const input& what, time now) {
  now_ = std::max(now_, now);
  if (role_ == role::stopped) {
    refuse_when_stopped(what);
    return;
  }
  std::visit([this](const auto& one) { on(one); }, what);
}

void core::refuse_when_stopped(const input& what) {
  std::visit(
    [this](const auto& one) {
      if constexpr (requires { one.request; })
        reply(one.request, answer_kind::refused, refusal::stopped);
    },
    what);
}

void core::flush(time now, effects& out) {
  out.clear();
  now_ = std::max(now_, now);
  if (role_ != role::stopped) {
    if (leads())
      advance_commit();
    // A leader that was removed has just left office.
    if (leads()) {
      make_early_change();
      serve_reads();
      advance_transfer();
      send_appends();
    }
    hand_out_committed();
    compose_write();
  }
  compose_notices();
  std::swap(out, pending_);
}

bool core::wants_flush() const noexcept {
  if (!pending_.empty() || write_needed() || handed_out_ < commit_
      || !(told_role_ == role_notice{role_, term_, leader_})
      || told_members_index_ != members_.current_index()
      || told_members_committed_ != (told_members_index_ <= commit_))
    return true;
  if (!leads())
    return false;
  if (commit_ < log_.last_index() || transfer_ || early_change_
      || !waiting_reads_.empty() || !round_reads_.empty())
    return true;
  return std::any_of(peers_.begin(), peers_.end(), [this](const auto& peer) {
    return peer.state != progress_state::replicate || peer.nudge
           || peer.departing || peer.match < log_.last_index()
           || peer.commit_told < commit_;
  });
}

time core::next_deadline() const noexcept {
  switch (role_) {
    case role::stopped:
      return time::max();
    case role::leader: {
      // The quorum is looked at on a beat, at the latest one after it is due.
      auto next = heartbeat_deadline_;
      if (transfer_)
        next = std::min(next, transfer_->deadline);
      return next;
    }
    default:
      return election_deadline_;
  }
}

status core::state() const {
  status all;
  all.id = options_.id;
  all.incarnation = options_.incarnation;
  all.role = role_;
  all.voter = is_voter(members_.current(), self());
  all.term = term_;
  all.vote = vote_;
  all.leader = leader_;
  all.transfer_to = transfer_ ? transfer_->to : nobody;
  all.commit = commit_;
  all.applied = applied_;
  all.first_index = log_.first_index();
  all.last_index = log_.last_index();
  all.last_term = log_.last_term();
  all.durable_index = tracker_.durable_index();
  all.snapshot_index = own_snapshot_.index;
  all.log_bytes = log_.payload_bytes();
  all.members = members_.current();
  all.members_index = members_.current_index();
  all.lease = lease_holds();
  all.odd_messages = odd_messages_;
  for (const auto& peer : peers_) {
    auto active = now_ - peer.last_contact < options_.election_timeout;
    all.peers.push_back({peer.id, peer.incarnation, peer.state, peer.match,
                         peer.next, peer.window.count(), peer.window.bytes(),
                         active});
  }
  return all;
}

void core::on(const persisted& what) {
  if (!tracker_.persisted(what.write))
    return;
  release_held();
  count_own_durable_vote();
}

void core::on(const persist_failed& /*what*/) {
  // What the disk holds is unknown. Nothing leaves any more, and nothing that
  // waited for the disk ever will.
  leave_office();
  role_ = role::stopped;
  leader_ = nobody;
  held_.clear();
  pending_.messages.clear();
  pending_.committed.clear();
  pending_.store.reset();
  pending_.install.reset();
  pending_.chunk_reads.clear();
}

void core::on(const received& what) {
  const auto& head = what.what;
  if (head.to != options_.id || head.from == nobody
      || head.from == options_.id) {
    ++odd_messages_;
    return;
  }
  if (!admit_term(head))
    return;
  std::visit([this, &head](const auto& body) { receive(head, body); },
             head.body);
}

// A message that promises something: it waits for the write `after`.
void core::send(node_id to, message_body body, write_id after) {
  auto what =
    message{options_.id, to, options_.incarnation, term_, std::move(body)};
  after = std::max(after, hard_write_);
  if (tracker_.durable(after))
    pending_.messages.push_back(std::move(what));
  else
    held_.push_back({after, std::move(what)});
}

// A message that promises nothing.
void core::send_unbound(node_id to, term_number term, message_body body) {
  pending_.messages.push_back(
    {options_.id, to, options_.incarnation, term, std::move(body)});
}

void core::release_held() {
  std::size_t kept = 0;
  for (auto& one : held_) {
    if (tracker_.durable(one.after))
      pending_.messages.push_back(std::move(one.what));
    else
      held_[kept++] = std::move(one);
  }
  held_.resize(kept);
}

void core::reply(request_id request, answer_kind kind, refusal why) {
  pending_.answers.push_back(
    {.request = request, .kind = kind, .why = why, .leader = leader_});
}

void core::mark_hard_dirty() noexcept {
  hard_dirty_ = true;
  hard_write_ = tracker_.next_write();
}

bool core::write_needed() const noexcept {
  return hard_dirty_ || truncate_from_ || reset_to_ || compact_to_
         || unwritten_from_ <= log_.last_index();
}

write_id core::promise_of_entries(log_index index) const noexcept {
  if (index <= tracker_.durable_index())
    return 0;
  return write_needed() ? tracker_.next_write() : tracker_.last_write();
}

void core::compose_write() {
  if (!write_needed())
    return;
  disk_write write;
  write.reset_to = std::exchange(reset_to_, std::nullopt);
  write.truncate_from = std::exchange(truncate_from_, std::nullopt);
  write.compact_to = std::exchange(compact_to_, std::nullopt);
  auto last = log_.last_index();
  if (unwritten_from_ <= last) {
    write.entries.reserve(last - unwritten_from_ + 1);
    log_.copy_to(write.entries, unwritten_from_, last, last, SIZE_MAX);
  }
  unwritten_from_ = last + 1;
  // Term, vote and entries of one turn are one unit. The hint costs nothing
  // when something is written anyway.
  write.hard = hard_state{term_, vote_, commit_};
  hard_dirty_ = false;
  write.id = tracker_.begin(last);
  pending_.write = std::move(write);
}

void core::compose_notices() {
  auto role_now = role_notice{role_, term_, leader_};
  if (!(role_now == told_role_)) {
    told_role_ = role_now;
    pending_.role = role_now;
  }
  auto index = members_.current_index();
  auto committed = index <= commit_;
  if (index != told_members_index_ || committed != told_members_committed_) {
    told_members_index_ = index;
    told_members_committed_ = committed;
    pending_.membership =
      membership_notice{members_.current(), index, committed};
  }
}

progress* core::find_peer(node_id id) noexcept {
  for (auto& peer : peers_)
    if (peer.id == id)
      return &peer;
  return nullptr;
}

const progress* core::find_peer(node_id id) const noexcept {
  for (const auto& peer : peers_)
    if (peer.id == id)
      return &peer;
  return nullptr;
}

// The progress that a reply belongs to. A disk newer than the one it was about
// begins from nothing; what an older one said is void.
progress* core::known_peer(const message& head) {
  auto* peer = find_peer(head.from);
  if (peer == nullptr || head.incarnation < peer->incarnation)
    return nullptr;
  if (head.incarnation > peer->incarnation)
    peer->begin_incarnation(head.incarnation, log_.last_index());
  peer->last_contact = now_;
  return peer;
}

} // namespace neuroplex::raft
