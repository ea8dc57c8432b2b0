// Reads without a log entry, the lease, and the transfer of leadership.
#include "consensus/raft/core.hpp"

#include <algorithm>

namespace neuroplex::raft {

void core::on(const read& what) {
  if (!leads())
    reply(what.request, answer_kind::refused, refusal::not_leader);
  else if (waiting_reads_.size() + round_reads_.size()
           >= options_.max_waiting_reads)
    reply(what.request, answer_kind::refused, refusal::too_much_in_flight);
  else
    waiting_reads_.push_back(what.request);
}

// The lease: a majority has promised, after the round was sent, to elect nobody
// else for an election timeout of its clock; the span allows for the worst of
// both clocks. Whoever was told to campaign now is not bound by any promise.
bool core::lease_holds() const noexcept {
  return leads() && options_.lease_reads && !lease_given_up_ && !transfer_
         && committed_own_term() && now_ < lease_until_;
}

// A new leader does not know yet how far its predecessors had committed; it
// does when an entry of its own term is.
void core::serve_reads() {
  if (!committed_own_term())
    return;
  if (lease_holds()) {
    for (auto request : waiting_reads_)
      pending_.answers.push_back({.request = request,
                                  .kind = answer_kind::read_ready,
                                  .leader = leader_,
                                  .index = commit_,
                                  .term = term_});
    waiting_reads_.clear();
  }
  if (waiting_reads_.empty() || !round_reads_.empty())
    return;
  // One round at a time answers for all reads that came before it began.
  round_reads_.swap(waiting_reads_);
  reads_index_ = commit_;
  broadcast_heartbeat();
  reads_round_ = round_;
  confirm_rounds();
}

// A round that a majority has answered proves that there was no other leader
// when it was sent.
void core::confirm_rounds() {
  auto confirmed = joint_index(
    members_.current(),
    [this](member who) -> std::uint64_t {
      if (who == self())
        return round_;
      const auto* peer = find_peer(who.id);
      return peer != nullptr && peer->incarnation == who.incarnation
               ? peer->round
               : 0;
    },
    options_.faults);
  confirmed = std::min(confirmed, round_);
  if (confirmed <= confirmed_round_ || confirmed <= round_floor_)
    return;
  confirmed_round_ = confirmed;
  while (!rounds_.empty() && rounds_.front().round <= confirmed) {
    lease_until_ =
      std::max(lease_until_, rounds_.front().sent_at + options_.lease_span());
    rounds_.pop_front();
  }
  if (round_reads_.empty() || confirmed < reads_round_)
    return;
  for (auto request : round_reads_)
    pending_.answers.push_back({.request = request,
                                .kind = answer_kind::read_ready,
                                .leader = leader_,
                                .index = reads_index_,
                                .term = term_});
  round_reads_.clear();
}

// Answers under another configuration, or in another term, prove nothing now.
void core::forget_rounds() {
  round_floor_ = round_;
  rounds_.clear();
  lease_until_ = time::min();
  waiting_reads_.insert(waiting_reads_.begin(), round_reads_.begin(),
                        round_reads_.end());
  round_reads_.clear();
}

void core::refuse_reads(refusal why) {
  for (auto request : round_reads_)
    reply(request, answer_kind::refused, why);
  for (auto request : waiting_reads_)
    reply(request, answer_kind::refused, why);
  round_reads_.clear();
  waiting_reads_.clear();
}

void core::on(const transfer_leadership& what) {
  auto refuse = [this, &what](refusal why) {
    reply(what.request, answer_kind::refused, why);
  };
  if (!leads())
    return refuse(refusal::not_leader);
  if (transfer_)
    return refuse(refusal::transferring);
  const auto* peer = find_peer(what.to);
  if (peer == nullptr
      || !is_voter(members_.current(), {peer->id, peer->incarnation}))
    return refuse(refusal::not_a_voter);
  transfer_ = {what.request, what.to, now_ + options_.election_timeout, false};
}

// Tells the successor to campaign once it has everything. From then on it may
// be elected whatever the followers promised, now or, if the message is slow,
// much later: there is no lease any more in this term.
void core::advance_transfer() {
  if (!transfer_ || transfer_->told)
    return;
  const auto* peer = find_peer(transfer_->to);
  if (peer == nullptr) {
    end_transfer(answer_kind::refused, refusal::not_a_voter);
    return;
  }
  if (peer->match != log_.last_index())
    return;
  lease_given_up_ = true;
  transfer_->told = true;
  send(transfer_->to, timeout_now{}, 0);
}

void core::end_transfer(answer_kind kind, refusal why) {
  reply(transfer_->request, kind, why);
  transfer_.reset();
}

} // namespace neuroplex::raft
