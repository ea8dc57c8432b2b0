// Replication: what goes into the log, to the followers, and is committed.
#include "consensus/raft/codec.hpp"
#include "consensus/raft/core.hpp"

#include <algorithm>

namespace neuroplex::raft {

namespace {

/// What an entry takes of a window beside its payload.
constexpr std::size_t entry_head_bytes = 24;

std::size_t window_bytes(const std::vector<entry>& entries) noexcept {
  std::size_t bytes = 0;
  for (const auto& what : entries)
    bytes += what.data.size() + entry_head_bytes;
  return bytes;
}

bool contiguous_after(const append_request& body, term_number term) noexcept {
  auto index = body.prev_index;
  auto before = body.prev_term;
  for (const auto& what : body.entries) {
    if (what.index != ++index || what.term < before || what.term > term)
      return false;
    before = what.term;
  }
  return before <= term;
}

} // namespace

// --- as a leader -------------------------------------------------------------

void core::on(const propose& what) {
  if (!leads()) {
    reply(what.request, answer_kind::refused, refusal::not_leader);
    return;
  }
  if (transfer_) {
    reply(what.request, answer_kind::refused, refusal::transferring);
    return;
  }
  std::size_t bytes = 0;
  auto fits = !what.payloads.empty()
              && what.payloads.size() <= limits::max_payloads_per_proposal;
  for (const auto& payload : what.payloads) {
    bytes += payload.size();
    fits = fits && payload.size() <= options_.max_payload_bytes;
  }
  if (!fits) {
    reply(what.request, answer_kind::refused, refusal::too_large);
    return;
  }
  // Something may always be under way, however large.
  if (uncommitted_bytes_ > 0
      && uncommitted_bytes_ + bytes > options_.max_uncommitted_bytes) {
    reply(what.request, answer_kind::refused, refusal::too_much_in_flight);
    return;
  }
  log_index last = 0;
  for (const auto& payload : what.payloads)
    last = append_own(entry_kind::command, payload);
  uncommitted_bytes_ += bytes;
  proposals_.push_back({what.request, last});
  pending_.answers.push_back({.request = what.request,
                              .kind = answer_kind::accepted,
                              .leader = leader_,
                              .index = last,
                              .term = term_,
                              .count = what.payloads.size()});
}

log_index core::append_own(entry_kind kind, slice data) {
  auto index = log_.last_index() + 1;
  log_.append({term_, index, kind, std::move(data)});
  note_entry(log_.at(index));
  return index;
}

// A configuration is in force from the moment it is in the log.
void core::note_entry(const entry& what) {
  if (what.kind != entry_kind::configuration)
    return;
  auto members = decode_configuration(what.data.view());
  NEUROPLEX_ENSURE(static_cast<bool>(members));
  members_.append(what.index, *std::move(members));
  membership_changed();
}

void core::truncate_log(log_index from) {
  NEUROPLEX_ENSURE(from > commit_);
  log_.truncate(from);
  tracker_.truncate(from);
  if (unwritten_from_ > from) {
    // Entries that an earlier write carried are to go from the disk as well.
    truncate_from_ = std::min(truncate_from_.value_or(from), from);
    unwritten_from_ = from;
  }
  if (members_.truncate(from))
    membership_changed();
}

// How far a member's disk is known to agree, if it may be counted: it must be
// the disk that the configuration names.
log_index core::counted_match(member who) const noexcept {
  if (who == self())
    return tracker_.durable_index();
  const auto* peer = find_peer(who.id);
  return peer != nullptr && peer->incarnation == who.incarnation ? peer->match
                                                                 : 0;
}

bool core::committed_own_term() const noexcept {
  return log_.matches(commit_, term_);
}

// Counting commits entries of the own term only, and with them all before.
void core::advance_commit() {
  while (leads()) {
    auto agreed = joint_index(
      members_.current(), [this](member who) { return counted_match(who); },
      options_.faults);
    agreed = std::min(agreed, log_.last_index());
    if (agreed <= commit_ || !log_.matches(agreed, term_))
      break;
    learn_commit(agreed);
    settle_proposals();
    after_commit_of_membership();
  }
}

void core::learn_commit(log_index index) {
  commit_ = std::max(commit_, index);
}

void core::settle_proposals() {
  while (!proposals_.empty() && proposals_.front().last <= commit_)
    proposals_.pop_front();
}

void core::broadcast_heartbeat() {
  heartbeat_deadline_ = next_beat();
  rounds_.push_back({++round_, now_});
  if (rounds_.size() > limits::max_open_rounds)
    rounds_.pop_front();
  for (auto& peer : peers_) {
    peer.moved = false;
    peer.went_back = false;
    // Not above what this follower is known to have: its log may differ there.
    send(peer.id, heartbeat{std::min(peer.match, commit_), round_}, 0);
  }
}

void core::send_appends() {
  for (auto& peer : peers_) {
    if (peer.state == progress_state::snapshot) {
      ask_chunk(peer);
      continue;
    }
    auto quiet =
      peer.state == progress_state::probe || peer.window.count() == 0;
    auto news = quiet && peer.commit_told < std::min(commit_, peer.match);
    auto wanted = std::exchange(peer.nudge, false) || news;
    while (send_append(peer, wanted))
      wanted = false;
  }
  retire_peers();
}

bool core::window_open(const progress& peer) const noexcept {
  if (peer.state == progress_state::probe)
    return !peer.probe_sent;
  return peer.window.count() < options_.max_inflight_messages
         && peer.window.bytes() < options_.max_inflight_bytes;
}

// Sends one append if the window allows. One that is wanted is sent in any
// case, empty if need be. Answers whether another may follow.
bool core::send_append(progress& peer, bool wanted) {
  auto open = window_open(peer);
  if (!open && !wanted)
    return false;
  auto prev = peer.next - 1;
  auto prev_term = log_.term_of(prev);
  if (!prev_term) {
    begin_snapshot(peer);
    return false;
  }
  append_request body{prev, *prev_term, commit_, {}};
  if (open)
    log_.copy_to(body.entries, peer.next, log_.last_index(),
                 options_.max_append_entries, options_.max_append_bytes);
  auto probe = peer.state == progress_state::probe;
  if (body.entries.empty() && !wanted && !probe)
    return false;
  auto last = prev + body.entries.size();
  auto more = !probe && last < log_.last_index() && !body.entries.empty();
  if (probe) {
    peer.probe_sent = true;
  } else if (!body.entries.empty()) {
    peer.window.add(last, window_bytes(body.entries));
    peer.next = last + 1;
  }
  peer.commit_told = std::max(peer.commit_told, std::min(commit_, last));
  send(peer.id, std::move(body), 0);
  return more;
}

void core::receive(const message& head, const append_reply& body) {
  if (!leads())
    return;
  auto* peer = known_peer(head);
  if (peer == nullptr)
    return;
  if (body.index > log_.last_index()) {
    ++odd_messages_;
    return;
  }
  if (body.rejected) {
    auto agree = log_.may_agree(body.hint_index, body.hint_term).first;
    peer->refused(body.index, agree);
    return;
  }
  auto news = peer->accepted(body.index);
  if (peer->state == progress_state::probe) {
    // It agrees up to there, so what follows may be streamed.
    peer->become_replicate();
  } else if (peer->state == progress_state::snapshot && news
             && peer->match >= log_.base_index()) {
    peer->become_replicate();
  }
}

void core::receive(const message& head, const heartbeat_reply& body) {
  if (!leads())
    return;
  auto* peer = known_peer(head);
  if (peer == nullptr || body.round > round_)
    return;
  peer->round = std::max(peer->round, body.round);
  // An append or its answer may be lost: ask again where nothing moves.
  peer->probe_sent = false;
  if (peer->state == progress_state::snapshot)
    peer->chunk_asked = peer->chunk_asked && peer->moved;
  else if (peer->match < log_.last_index() && !peer->moved)
    peer->nudge = true;
  confirm_rounds();
}

void core::on(const peer_unreachable& what) {
  auto* peer = leads() ? find_peer(what.peer) : nullptr;
  if (peer != nullptr && peer->state == progress_state::replicate)
    peer->become_probe(peer->match + 1);
}

// --- as a follower -----------------------------------------------------------

void core::receive(const message& head, const append_request& body) {
  if (!contiguous_after(body, head.term)) {
    ++odd_messages_;
    return;
  }
  for (const auto& what : body.entries) {
    if (what.kind == entry_kind::configuration
        && !decode_configuration(what.data.view())) {
      ++odd_messages_;
      return;
    }
  }
  follow(head);
  if (role_ != role::follower || installing())
    return;
  auto prev = body.prev_index;
  if (prev < commit_ && prev + body.entries.size() <= commit_) {
    // An old append: all of it is committed here, and cannot differ.
    send(head.from, append_reply{false, commit_, 0, 0},
         promise_of_entries(commit_));
    return;
  }
  if (prev > commit_
        ? !log_.matches(prev, body.prev_term)
        : log_.term_of(prev).value_or(body.prev_term) != body.prev_term) {
    auto [agree, term] = log_.may_agree(prev, body.prev_term);
    send(head.from, append_reply{true, prev, agree, term}, 0);
    return;
  }
  for (const auto& what : body.entries) {
    if (what.index <= commit_ || log_.matches(what.index, what.term))
      continue;
    if (what.index <= log_.last_index())
      truncate_log(what.index);
    log_.append(what);
    note_entry(what);
  }
  auto last = prev + body.entries.size();
  learn_commit(std::min(body.commit, last));
  send(head.from, append_reply{false, last, 0, 0}, promise_of_entries(last));
}

void core::receive(const message& head, const heartbeat& body) {
  follow(head);
  if (role_ != role::follower)
    return;
  if (!installing())
    learn_commit(std::min(body.commit, log_.last_index()));
  send(head.from, heartbeat_reply{body.round}, 0);
}

// --- both --------------------------------------------------------------------

void core::hand_out_committed() {
  if (installing() || handed_out_ >= commit_)
    return;
  auto room = options_.max_unapplied_entries
              - std::min<std::size_t>(options_.max_unapplied_entries,
                                      handed_out_ - applied_);
  if (room == 0)
    return;
  auto before = pending_.committed.size();
  handed_out_ +=
    log_.copy_to(pending_.committed, handed_out_ + 1, commit_, room, SIZE_MAX);
  if (!leads())
    return;
  for (auto i = before; i < pending_.committed.size(); ++i)
    uncommitted_bytes_ -=
      std::min(uncommitted_bytes_, pending_.committed[i].data.size());
}

void core::on(const applied& what) {
  applied_ = std::max(applied_, std::min(what.index, handed_out_));
}

} // namespace neuroplex::raft
