// Ordering: pre-prepare, prepare, commit, execution.
#include "consensus/pbft/core.hpp"

#include <algorithm>

namespace neuroplex::pbft {

bool core::is_in_window(sequence_number sequence) const noexcept {
  auto top = std::max(stable_.sequence, ahead_ ? ahead_->sequence : 0);
  return sequence > stable_.sequence && sequence - 1 < top + options_.window;
}

core::slot& core::slot_at(sequence_number sequence) {
  auto [found, fresh] = slots_.try_emplace(sequence);
  if (fresh) {
    found->second.prepares.resize(options_.replicas.size());
    found->second.commits.resize(options_.replicas.size());
    found->second.committed_claims.resize(options_.replicas.size());
  }
  return found->second;
}

core::slot* core::find_slot(sequence_number sequence) {
  auto found = slots_.find(sequence);
  return found == slots_.end() ? nullptr : &found->second;
}

shared_batch core::find_batch(const slot& in, const digest& of) const {
  if (of == null_request_)
    return null_batch_;
  auto found = in.batches.find(of);
  return found == in.batches.end() ? nullptr : found->second;
}

void core::receive(node_id from, const pre_prepare& body) {
  if (!active_ || body.view != view_ || from != options_.primary_of(view_)
      || !is_in_window(body.sequence))
    return;
  auto& one = slot_at(body.sequence);
  auto standing = one.accepted   ? one.accepted
                  : one.awaited  ? one.awaited
                  : one.doubtful ? std::optional{one.doubtful_digest}
                                 : std::nullopt;
  if (standing && *standing != body.of) {
    accuse(from, misdeed::conflicting_pre_prepare, view_, body.sequence);
    return;
  }
  if (one.accepted || one.doubtful)
    return;
  auto is_ordered = [](const request& what) {
    return what.client != nobody && what.number > 0 && !what.read_only;
  };
  if (body.of != digest_of(*crypto_, *body.requests)
      || !std::all_of(body.requests->begin(), body.requests->end(),
                      is_ordered)) {
    accuse(from, misdeed::wrong_digest, view_, body.sequence);
    return;
  }
  if (!vote(one.prepares, place_of(from), body.of, body.sequence))
    return;
  if (one.awaited) {
    batch_arrived(body.sequence, body.requests);
    return;
  }
  auto authentic = true;
  for (const auto& what : *body.requests) {
    if (is_authentic(what))
      continue;
    authentic = false;
    doubt_client(what.client);
    accuse(from, misdeed::unauthentic_request, view_, body.sequence);
  }
  if (!authentic) {
    one.doubtful = body.requests;
    one.doubtful_digest = body.of;
    trust_doubtful(body.sequence);
    return;
  }
  accept(body.sequence, body.of, body.requests);
  advance(body.sequence);
}

// A weak quorum that voted for the batch holds a correct replica, for which its
// requests were authentic.
void core::trust_doubtful(sequence_number sequence) {
  auto& one = slot_at(sequence);
  if (!one.doubtful
      || count_of(one.prepares, one.doubtful_digest) < options_.weak_quorum())
    return;
  auto requests = std::exchange(one.doubtful, nullptr);
  accept(sequence, one.doubtful_digest, requests);
}

// From here on this replica stands by the batch.
void core::accept(sequence_number sequence, const digest& of,
                  const shared_batch& requests) {
  auto& one = slot_at(sequence);
  one.accepted = of;
  one.awaited.reset();
  one.batches[of] = requests;
  auto what = claim{sequence, view_, of};
  note_pre_prepared(one.pre_prepared, what);
  one.prepare_after = remember(accepted_record{what, encode_batch(*requests)});
  if (!leads())
    broadcast(prepare{view_, sequence, of}, one.prepare_after);
  own_votes_.push_back({one.prepare_after, view_, sequence, of, false});
}

// Takes a vote unless the replica gave another before.
bool core::vote(votes& all, std::size_t replica, const digest& of,
                sequence_number sequence) {
  if (all[replica] && *all[replica] != of) {
    accuse(options_.replicas[replica], misdeed::conflicting_vote, view_,
           sequence);
    return false;
  }
  all[replica] = of;
  return true;
}

std::size_t core::count_of(const votes& all, const digest& of) noexcept {
  return static_cast<std::size_t>(
    std::count(all.begin(), all.end(), std::optional{of}));
}

void core::receive(node_id from, const prepare& body) {
  if (active_ && body.view == view_ && is_in_window(body.sequence)
      && from != options_.primary_of(view_))
    count_prepare(body.sequence, place_of(from), body.of);
}

void core::receive(node_id from, const commit& body) {
  if (active_ && body.view == view_ && is_in_window(body.sequence))
    count_commit(body.sequence, place_of(from), body.of);
}

void core::count_prepare(sequence_number sequence, std::size_t replica,
                         const digest& of) {
  if (!is_in_window(sequence)
      || !vote(slot_at(sequence).prepares, replica, of, sequence))
    return;
  trust_doubtful(sequence);
  advance(sequence);
}

void core::count_commit(sequence_number sequence, std::size_t replica,
                        const digest& of) {
  if (!is_in_window(sequence))
    return;
  auto& one = slot_at(sequence);
  if (!vote(one.commits, replica, of, sequence))
    return;
  advance(sequence);
  if (!one.committed && count_of(one.commits, of) >= options_.quorum())
    settle_committed(sequence, of);
}

void core::advance(sequence_number sequence) {
  auto& one = slot_at(sequence);
  if (!one.accepted || one.prepared
      || count_of(one.prepares, *one.accepted) < options_.quorum())
    return;
  auto of = *one.accepted;
  one.prepared = true;
  one.last_prepared = claim{sequence, view_, of};
  one.commit_after = remember(prepared_record{*one.last_prepared});
  broadcast(commit{view_, sequence, of}, one.commit_after);
  own_votes_.push_back({one.commit_after, view_, sequence, of, true});
}

void core::settle_committed(sequence_number sequence, const digest& of) {
  auto& one = slot_at(sequence);
  one.committed = of;
  if (find_batch(one, of))
    hand_out();
  else
    want_batch(sequence, of);
}

void core::hand_out() {
  while (!installing_) {
    auto* one = find_slot(handed_out_ + 1);
    if (one == nullptr || !one->committed)
      return;
    auto requests = find_batch(*one, *one->committed);
    if (!requests)
      return;
    execution next;
    next.sequence = ++handed_out_;
    next.checkpoint = next.sequence % options_.checkpoint_interval == 0;
    for (const auto& what : *requests) {
      auto known = ordered_.find(what.client);
      if (known == ordered_.end() && ordered_.size() >= options_.max_clients)
        continue;
      auto& last = ordered_[what.client];
      if (what.number <= last)
        continue;
      last = what.number;
      next.requests.push_back(what);
    }
    // So that it knows after a restart how far clients may have seen.
    auto after = one->pre_prepared.empty()
                   ? remember(executed_record{next.sequence})
                   : one->prepare_after;
    executing_.push_back({next, std::max(after, executed_after_)});
    pending_.executions.push_back(std::move(next));
  }
}

void core::on(const executed& what) {
  if (installing_ || executing_.empty()
      || executing_.front().what.sequence != what.sequence)
    return;
  executed_after_ = std::max(executed_after_, executing_.front().after);
  auto done = std::move(executing_.front().what);
  executing_.pop_front();
  executed_ = done.sequence;
  for (std::size_t i = 0; i < done.requests.size(); ++i) {
    const auto& asked = done.requests[i];
    auto result = i < what.results.size() ? what.results[i] : slice{};
    clients_.executed(asked.client, asked.number, result);
    send_reply(asked.client, asked.number, false, result);
    forget_waiting(asked.client, asked.number);
    believe_client(asked.client);
  }
  if (!done.requests.empty()) {
    progress_at_ = now_;
    if (active_)
      timeout_ = options_.request_timeout;
  }
  if (done.checkpoint)
    take_checkpoint(executed_, what.pieces);
}

void core::receive(node_id from, const committed& body) {
  if (!is_in_window(body.sequence) || body.sequence <= handed_out_)
    return;
  auto& one = slot_at(body.sequence);
  if (one.committed && find_batch(one, *one.committed))
    return;
  if (digest_of(*crypto_, *body.requests) != body.of) {
    accuse(from, misdeed::wrong_digest, 0, body.sequence);
    return;
  }
  if (!vote(one.committed_claims, place_of(from), body.of, body.sequence)
      || count_of(one.committed_claims, body.of) < options_.weak_quorum())
    return;
  wanted_.erase({body.sequence, body.of});
  one.batches[body.of] = body.requests;
  settle_committed(body.sequence, body.of);
}

// Our votes of this view, for one that may have missed them.
void core::send_votes_again(node_id to, sequence_number sequence) {
  const auto& one = slot_at(sequence);
  if (!one.accepted)
    return;
  if (leads())
    send(to,
         pre_prepare{view_, sequence, *one.accepted,
                     find_batch(one, *one.accepted)},
         one.prepare_after);
  else
    send(to, prepare{view_, sequence, *one.accepted}, one.prepare_after);
  if (one.prepared)
    send(to, commit{view_, sequence, *one.accepted}, one.commit_after);
}

void core::want_batch(sequence_number sequence, const digest& of) {
  if (wanted_.emplace(sequence, of).second)
    broadcast(batch_wanted{sequence, of}, 0);
}

void core::receive(node_id from, const batch_wanted& body) {
  const auto* one = find_slot(body.sequence);
  auto requests = one == nullptr ? nullptr : find_batch(*one, body.of);
  if (requests)
    send(from, batch_sent{body.sequence, requests}, 0);
}

void core::receive(node_id /*from*/, const batch_sent& body) {
  if (is_in_window(body.sequence)
      && wanted_.contains({body.sequence, digest_of(*crypto_, *body.requests)}))
    batch_arrived(body.sequence, body.requests);
}

void core::batch_arrived(sequence_number sequence,
                         const shared_batch& requests) {
  auto of = digest_of(*crypto_, *requests);
  wanted_.erase({sequence, of});
  auto& one = slot_at(sequence);
  one.batches[of] = requests;
  if (one.awaited == of && active_) {
    accept(sequence, of, requests);
    advance(sequence);
  }
  hand_out();
  try_new_view();
}

} // namespace neuroplex::pbft
