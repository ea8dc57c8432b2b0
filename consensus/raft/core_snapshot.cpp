// Snapshots: taken here, sent in chunks, received and installed.
#include "consensus/raft/core.hpp"

#include <algorithm>

namespace neuroplex::raft {

bool core::installing() const noexcept {
  return incoming_ && incoming_->installing;
}

// Whether the log here is as new as the snapshot: then it must not be replaced
// by less.
bool core::has_snapshot_point(const snapshot_meta& meta) const noexcept {
  return meta.index <= commit_ || log_.matches(meta.index, meta.term);
}

// --- taken here --------------------------------------------------------------

std::optional<snapshot_meta> core::snapshot_meta_at(log_index index) const {
  auto term = log_.term_of(index);
  if (installing() || index > applied_ || index <= own_snapshot_.index || !term)
    return std::nullopt;
  snapshot_meta meta;
  meta.index = index;
  meta.term = *term;
  meta.members = members_.at(index);
  return meta;
}

void core::on(const snapshot_taken& what) {
  const auto& meta = what.meta;
  // Older than what was installed or taken meanwhile: of no use any more.
  if (installing() || meta.index <= own_snapshot_.index || meta.index > applied_
      || !log_.matches(meta.index, meta.term))
    return;
  own_snapshot_ = meta;
  tracker_.covered(meta.index);
  members_.compact(meta.index);
  auto kept = std::min<log_index>(options_.kept_entries, meta.index);
  auto base = meta.index - kept;
  if (base <= log_.base_index())
    return;
  log_.compact(base);
  compact_to_ = base;
}

// --- sent --------------------------------------------------------------------

void core::begin_snapshot(progress& peer) {
  if (own_snapshot_.index < log_.base_index() || own_snapshot_.index == 0) {
    // Nothing to send: the driver lost what the log was cut for.
    ++odd_messages_;
    return;
  }
  peer.become_snapshot(own_snapshot_);
  ask_chunk(peer);
}

void core::ask_chunk(progress& peer) {
  auto active = now_ - peer.last_contact < options_.election_timeout;
  if (peer.chunk_asked || !active)
    return;
  peer.chunk_asked = true;
  pending_.chunk_reads.push_back(
    {peer.id, peer.sending, peer.chunk_offset, options_.chunk_bytes});
}

void core::on(const chunk_read& what) {
  auto* peer = leads() ? find_peer(what.to) : nullptr;
  if (peer == nullptr || peer->state != progress_state::snapshot
      || peer->sending.index != what.index || peer->chunk_offset != what.offset)
    return;
  send(peer->id,
       snapshot_chunk{peer->sending, what.offset, what.data, what.last}, 0);
}

void core::on(const chunk_unavailable& what) {
  auto* peer = leads() ? find_peer(what.to) : nullptr;
  if (peer != nullptr && peer->state == progress_state::snapshot
      && peer->sending.index == what.index)
    peer->become_probe(peer->match + 1);
}

void core::receive(const message& head, const snapshot_reply& body) {
  if (!leads())
    return;
  auto* peer = known_peer(head);
  if (peer == nullptr || peer->state != progress_state::snapshot
      || peer->sending.index != body.index)
    return;
  // One answer, one piece. What was answered before, or asks for an earlier
  // piece, is heard once between two heartbeats: answers that come twice must
  // not breed pieces that are answered twice.
  auto forward = body.installed || body.next_offset > peer->chunk_offset;
  if (!forward && peer->moved)
    return;
  peer->moved = true;
  if (body.installed) {
    peer->accepted(body.index);
    if (peer->match >= log_.base_index())
      peer->become_replicate();
    else
      peer->become_probe(peer->match + 1);
    return;
  }
  if (body.refused) {
    peer->become_probe(peer->match + 1);
    return;
  }
  peer->chunk_offset = body.next_offset;
  peer->chunk_asked = false;
}

// --- received ----------------------------------------------------------------

void core::answer_chunk(node_id to, log_index index, bool installed,
                        bool refused, std::uint64_t next_offset,
                        write_id after) {
  send(to, snapshot_reply{index, installed, refused, next_offset}, after);
}

void core::receive(const message& head, const snapshot_chunk& body) {
  const auto& meta = body.meta;
  if (meta.term > head.term || meta.index == 0 || !well_formed(meta.members)
      || meta.members.voters.empty()) {
    ++odd_messages_;
    return;
  }
  follow(head);
  if (role_ != role::follower || installing())
    return;
  if (has_snapshot_point(meta)) {
    // That the snapshot was taken says that all of it is committed.
    learn_commit(meta.index);
    answer_chunk(head.from, meta.index, true, false, 0,
                 promise_of_entries(meta.index));
    return;
  }
  if (!incoming_ || !(incoming_->meta == meta)) {
    incoming_ = incoming_snapshot{meta, head.from};
  }
  auto& incoming = *incoming_;
  incoming.from = head.from;
  if (incoming.complete)
    return;
  if (body.offset != incoming.asked) {
    // Begun before, or sent twice: go on where this node stands.
    if (incoming.asked == incoming.stored)
      answer_chunk(head.from, meta.index, false, false, incoming.stored, 0);
    return;
  }
  if (pending_.store || incoming.asked != incoming.stored)
    return;
  incoming.asked = body.offset + body.data.size();
  incoming.complete = body.last;
  pending_.store = chunk_to_store{meta, body.offset, body.data, body.last};
}

void core::on(const chunk_stored& what) {
  if (!incoming_ || incoming_->meta.index != what.index || incoming_->installing
      || what.next_offset != incoming_->asked)
    return;
  auto& incoming = *incoming_;
  incoming.stored = what.next_offset;
  if (!incoming.complete) {
    if (role_ == role::follower && leader_ == incoming.from)
      answer_chunk(incoming.from, what.index, false, false, incoming.stored, 0);
    return;
  }
  if (role_ != role::follower || has_snapshot_point(incoming.meta)) {
    // Overtaken: by an election, or by the log, which may hold acknowledged
    // entries after the snapshot's end.
    incoming_.reset();
    return;
  }
  incoming.installing = true;
  pending_.install = incoming.meta;
}

void core::on(const snapshot_installed& what) {
  if (!installing() || incoming_->meta.index != what.index)
    return;
  auto incoming = std::move(*incoming_);
  incoming_.reset();
  const auto& meta = incoming.meta;
  own_snapshot_ = meta;
  log_.reset(meta.index, meta.term);
  tracker_.reset(meta.index);
  members_.reset(meta.index, meta.members);
  unwritten_from_ = meta.index + 1;
  truncate_from_.reset();
  compact_to_.reset();
  reset_to_ = meta.index;
  commit_ = meta.index;
  handed_out_ = meta.index;
  applied_ = meta.index;
  if (role_ == role::follower && leader_ == incoming.from)
    answer_chunk(incoming.from, meta.index, true, false, 0,
                 tracker_.next_write());
}

void core::on(const snapshot_failed& what) {
  if (!incoming_ || incoming_->meta.index != what.index)
    return;
  auto from = incoming_->from;
  incoming_.reset();
  if (role_ == role::follower && leader_ == from)
    answer_chunk(from, what.index, false, true, 0, 0);
}

} // namespace neuroplex::raft
