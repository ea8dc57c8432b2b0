// Membership: when it may change, and what follows when it does.
#include "consensus/raft/codec.hpp"
#include "consensus/raft/core.hpp"

#include <algorithm>

namespace neuroplex::raft {

// A change that names no disk means the one that is seen on the other side.
std::vector<member_change>
core::with_incarnations(std::vector<member_change> changes) const {
  for (auto& change : changes) {
    const auto* peer = find_peer(change.id);
    if (change.id == options_.id)
      change.incarnation = std::max(change.incarnation, options_.incarnation);
    else if (peer != nullptr)
      change.incarnation = std::max(change.incarnation, peer->incarnation);
    else
      change.incarnation = std::max(
        change.incarnation, newest_incarnation(members_.current(), change.id));
  }
  return changes;
}

refusal core::check_change(const std::vector<member_change>& changes) const {
  if (!leads())
    return refusal::not_leader;
  if (transfer_)
    return refusal::transferring;
  // Until then an entry of an older term may still overtake the present
  // configuration, and two that share no majority could be in force.
  if (!committed_own_term())
    return refusal::no_commit_yet;
  if (members_.current_index() > commit_)
    return refusal::change_in_progress;
  if (!options_.voters_begin_as_learners)
    return refusal::none;
  for (const auto& change : changes) {
    auto who = member{change.id, change.incarnation};
    if (change.kind != change_kind::add_voter || who.id == nobody
        || is_voter(members_.current(), who))
      continue;
    // A learner may have been added before its disk was known by number; what
    // counts is which disk has caught up.
    const auto* learner = find_member(members_.current().learners, who.id);
    if (learner == nullptr || learner->incarnation > who.incarnation)
      return refusal::not_a_learner;
    const auto* peer = find_peer(who.id);
    if (peer == nullptr || peer->incarnation != who.incarnation
        || peer->state != progress_state::replicate
        || peer->match + options_.promotion_lag_entries < log_.last_index())
      return refusal::learner_behind;
  }
  return refusal::none;
}

void core::on(const change_membership& what) {
  auto changes = with_incarnations(what.changes);
  if (auto why = check_change(changes); why != refusal::none) {
    // A new leader will know in a moment.
    if (why == refusal::no_commit_yet && !early_change_) {
      early_change_ = what;
      return;
    }
    reply(what.request, answer_kind::refused, why);
    return;
  }
  auto next = next_configuration(members_.current(), changes, what.transition);
  if (!next) {
    reply(what.request, answer_kind::refused, refusal::bad_change);
    return;
  }
  auto index =
    append_own(entry_kind::configuration, encode_configuration(*next));
  proposals_.push_back({what.request, index});
  pending_.answers.push_back({.request = what.request,
                              .kind = answer_kind::accepted,
                              .leader = leader_,
                              .index = index,
                              .term = term_,
                              .count = 1});
}

void core::make_early_change() {
  if (early_change_ && committed_own_term())
    on(*std::exchange(early_change_, std::nullopt));
}

// Another configuration is in force: majorities are others from now on.
void core::membership_changed() {
  if (!leads())
    return;
  forget_rounds();
  renew_peers();
}

void core::renew_peers() {
  auto ids = member_ids(members_.current());
  for (auto& peer : peers_) {
    auto stays = std::binary_search(ids.begin(), ids.end(), peer.id);
    if (!stays && !peer.departing)
      peer.departs_at = now_ + 4 * options_.election_timeout;
    peer.departing = !stays;
  }
  for (auto id : ids) {
    if (id == options_.id)
      continue;
    auto incarnation = newest_incarnation(members_.current(), id);
    auto* peer = find_peer(id);
    if (peer != nullptr) {
      if (peer->incarnation < incarnation)
        peer->begin_incarnation(incarnation, log_.last_index());
      continue;
    }
    progress fresh;
    fresh.id = id;
    fresh.incarnation = incarnation;
    fresh.next = log_.last_index() + 1;
    // It has one timeout to be heard.
    fresh.last_contact = now_;
    peers_.push_back(std::move(fresh));
  }
}

// Who was removed is told so before he is forgotten; not for ever, since he may
// be dead.
void core::retire_peers() {
  auto index = members_.current_index();
  std::erase_if(peers_, [this, index](const progress& peer) {
    return peer.departing
           && (now_ >= peer.departs_at
               || (peer.match >= index && peer.commit_told >= index));
  });
}

// A joint configuration is left only when it is committed itself, whoever
// proposed it. A leader that is no voter any more has done its last duty.
void core::after_commit_of_membership() {
  const auto& current = members_.current();
  if (members_.current_index() > commit_ || !committed_own_term())
    return;
  if (current.joint()) {
    if (current.auto_leave) {
      if (auto next = leave_joint(current))
        append_own(entry_kind::configuration, encode_configuration(*next));
    }
    return;
  }
  if (is_voter(current, self()))
    return;
  for (auto& peer : peers_)
    peer.nudge = true;
  send_appends();
  become_follower(term_, nobody);
}

} // namespace neuroplex::raft
