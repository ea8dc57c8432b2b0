// What a leader knows about one follower, and what it may send next.
//
// Purpose: flow control. A follower is probed with one message at a time until
// it is known where its log agrees; then entries are streamed ahead of its
// answers, within a window of messages and bytes; or it is so far behind that
// it gets a snapshot first.
//
// Threads: one at a time.
//
// Invariants:
//  1. match < next: entries up to match are durable on the follower's disk of
//     this incarnation; next is what is sent next.
//  2. match never falls, but for a new incarnation, which begins at 0.
//  3. When probing, at most one append is unanswered; when streaming, at most
//     the window.
//
// Failure behaviour: what a follower claims beyond what was sent is the
// caller's to refuse.
#pragma once

#include "consensus/raft/types.hpp"

#include <deque>

namespace neuroplex::raft {

enum class progress_state : std::uint8_t { probe, replicate, snapshot };

/// Appends under way: their last index and bytes, oldest first.
class inflight_window {
public:
  void add(log_index last, std::size_t bytes) {
    messages_.push_back({last, bytes});
    bytes_ += bytes;
  }

  /// Appends up to `index` were answered.
  void free_to(log_index index) {
    while (!messages_.empty() && messages_.front().last <= index) {
      bytes_ -= messages_.front().bytes;
      messages_.pop_front();
    }
  }

  void clear() {
    messages_.clear();
    bytes_ = 0;
  }

  [[nodiscard]] std::size_t count() const noexcept {
    return messages_.size();
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_;
  }

private:
  struct sent_append {
    log_index last = 0;
    std::size_t bytes = 0;
  };

  std::deque<sent_append> messages_;
  std::size_t bytes_ = 0;
};

struct progress {
  node_id id = nobody;
  incarnation_number incarnation = 0;
  progress_state state = progress_state::probe;
  log_index match = 0;
  log_index next = 1;
  inflight_window window{};
  time last_contact{};
  /// Probing: an append is unanswered.
  bool probe_sent = false;
  /// It acknowledged something since the last heartbeat.
  bool moved = false;
  /// A refusal ended its stream since the last heartbeat.
  bool went_back = false;
  /// Send an append even if it is empty: an answer is needed.
  bool nudge = false;
  /// Highest commit index it was told.
  log_index commit_told = 0;
  /// Highest round of heartbeats it answered.
  std::uint64_t round = 0;
  /// No longer a member; kept until it knows, or until then.
  bool departing = false;
  time departs_at{};

  /// The snapshot being sent, and how far it is known to have come.
  snapshot_meta sending{};
  std::uint64_t chunk_offset = 0;
  bool chunk_asked = false; ///< of our own driver, or unanswered by the peer

  /// Forgets what was under way; begins to probe after what is known.
  void become_probe(log_index from) {
    state = progress_state::probe;
    next = from > match ? from : match + 1;
    forget_under_way();
  }

  void become_replicate() {
    state = progress_state::replicate;
    next = match + 1;
    forget_under_way();
  }

  void become_snapshot(snapshot_meta meta) {
    state = progress_state::snapshot;
    forget_under_way();
    next = meta.index + 1;
    sending = std::move(meta);
    chunk_offset = 0;
  }

  /// The node runs on another disk: nothing it ever said holds.
  void begin_incarnation(incarnation_number newer, log_index last) {
    incarnation = newer;
    match = 0;
    commit_told = 0;
    round = 0;
    become_probe(last + 1);
  }

  /// Answers whether an acceptance up to `index` says anything new.
  bool accepted(log_index index) {
    auto news = index > match;
    if (news)
      match = index;
    if (next <= index)
      next = index + 1;
    window.free_to(index);
    probe_sent = false;
    moved = true;
    return news;
  }

  /// An append after `rejected` was refused; the logs agree at `agree` at the
  /// most. A refusal that was overtaken by an acceptance, or answers an older
  /// probe, says nothing. A stream goes back once between two heartbeats: where
  /// messages overtake each other, each one that came too early is refused, and
  /// to stream anew for each would breed ever more. Answers whether it counted.
  bool refused(log_index rejected, log_index agree) {
    if (rejected <= match)
      return false;
    if (state == progress_state::probe ? rejected != next - 1 : went_back)
      return false;
    went_back = went_back || state == progress_state::replicate;
    auto from = (agree < rejected ? agree : rejected - 1) + 1;
    become_probe(from);
    return true;
  }

private:
  void forget_under_way() {
    window.clear();
    probe_sent = false;
    nudge = false;
    chunk_asked = false;
    sending = {};
  }
};

} // namespace neuroplex::raft
