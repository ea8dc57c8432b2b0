// Elections: who may vote, who is elected, who must leave office.
#include "consensus/raft/core.hpp"

#include <algorithm>

namespace neuroplex::raft {

namespace {

bool from_leader(const message& what) noexcept {
  return std::holds_alternative<append_request>(what.body)
         || std::holds_alternative<heartbeat>(what.body)
         || std::holds_alternative<snapshot_chunk>(what.body);
}

} // namespace

// Adopts a newer term, or answers an older one. Whether the message is to be
// looked at.
bool core::admit_term(const message& what) {
  if (what.term < term_) {
    answer_older_term(what);
    return false;
  }
  const auto* request = std::get_if<vote_request>(&what.body);
  if (request != nullptr && what.term > term_ && !request->transfer
      && promised_to_leader())
    return false;
  if (what.term == term_)
    return true;
  // A pre-vote asks what would be, and its grant answers that: neither moves
  // anybody's term.
  const auto* answer = std::get_if<vote_reply>(&what.body);
  auto hypothetical = (request != nullptr && request->pre)
                      || (answer != nullptr && answer->pre && answer->granted);
  if (!hypothetical)
    become_follower(what.term, from_leader(what) ? what.from : nobody);
  return true;
}

// A leader that was deposed without noticing, or a candidate that fell behind,
// learns of our term from the answer.
void core::answer_older_term(const message& what) {
  if (const auto* request = std::get_if<vote_request>(&what.body))
    send(what.from, vote_reply{request->pre, false}, 0);
  else if (from_leader(what))
    send(what.from, heartbeat_reply{}, 0);
}

// A follower that heard of a leader lately has promised to elect nobody else
// for one election timeout; a leader in office believes in itself.
bool core::promised_to_leader() const noexcept {
  if (!options_.check_quorum)
    return false;
  return leads() || now_ < promised_until_;
}

bool core::up_to_date(const vote_request& body) const noexcept {
  return body.last_term > log_.last_term()
         || (body.last_term == log_.last_term()
             && body.last_index >= log_.last_index());
}

bool core::may_vote_for(const message& head,
                        const vote_request& body) const noexcept {
  if (!up_to_date(body))
    return false;
  if (body.pre && head.term > term_)
    return true;
  return vote_ == head.from || (vote_ == nobody && leader_ == nobody);
}

// Whoever is asked answers, even if his own configuration does not call him a
// voter: it may be older than the candidate's, who needs him.
void core::receive(const message& head, const vote_request& body) {
  auto granted = may_vote_for(head, body);
  if (body.pre) {
    if (granted)
      send_unbound(head.from, head.term, vote_reply{true, true});
    else
      send(head.from, vote_reply{true, false}, 0);
    return;
  }
  if (granted) {
    if (vote_ != head.from) {
      vote_ = head.from;
      mark_hard_dirty();
    }
    restart_election_timer();
  }
  send(head.from, vote_reply{false, granted}, 0);
}

void core::receive(const message& head, const vote_reply& body) {
  auto asked = body.pre ? role::pre_candidate : role::candidate;
  if (role_ != asked)
    return;
  auto term_asked = body.pre && body.granted ? term_ + 1 : term_;
  if (head.term != term_asked)
    return;
  if (!is_voter(members_.current(), {head.from, head.incarnation}))
    return;
  count_vote(head.from, body.granted);
  conclude_election();
}

void core::receive(const message& head, const timeout_now& /*body*/) {
  if (role_ == role::follower && head.from == leader_ && may_campaign())
    start_election(election::transfer);
}

void core::on(const campaign& /*what*/) {
  auto bound = options_.lease_reads && now_ < promised_until_;
  if (!leads() && may_campaign() && !bound)
    start_election(options_.pre_vote ? election::pre : election::real);
}

void core::on(const forget_leader& /*what*/) {
  if (role_ != role::follower || options_.lease_reads)
    return;
  leader_ = nobody;
  promised_until_ = time::min();
}

void core::on(const tick& /*what*/) {
  if (leads()) {
    if (options_.check_quorum && now_ >= quorum_deadline_)
      check_quorum();
    if (!leads())
      return;
    if (transfer_ && now_ >= transfer_->deadline)
      end_transfer(answer_kind::refused, refusal::timed_out);
    if (now_ >= heartbeat_deadline_)
      broadcast_heartbeat();
    return;
  }
  if (now_ < election_deadline_)
    return;
  restart_election_timer();
  if (may_campaign())
    start_election(options_.pre_vote ? election::pre : election::real);
}

// Only a voter, counted under the disk it has; never while its log is being
// replaced. Who was removed may stand until the removal is committed, though
// his own vote does not count: perhaps nobody else has the entries to be
// elected.
bool core::may_campaign() const noexcept {
  return !installing()
         && (is_voter(members_.current(), self())
             || is_voter(members_.at(commit_), self()));
}

void core::start_election(election kind) {
  // Who stands himself holds the leader for dead, or was asked to by it; he
  // does not come here while a lease rests on his promise.
  promised_until_ = time::min();
  if (kind != election::pre) {
    start_real_election(kind == election::transfer);
    return;
  }
  role_ = role::pre_candidate;
  leader_ = nobody;
  votes_.clear();
  restart_election_timer();
  for (auto id : member_ids(members_.current())) {
    if (id != options_.id)
      send_unbound(
        id, term_ + 1,
        vote_request{true, false, log_.last_index(), log_.last_term()});
  }
  count_vote(options_.id, true);
  conclude_election();
}

void core::start_real_election(bool transfer) {
  enter_term(term_ + 1);
  role_ = role::candidate;
  leader_ = nobody;
  vote_ = options_.id;
  mark_hard_dirty();
  own_vote_counted_ = false;
  votes_.clear();
  restart_election_timer();
  for (auto id : member_ids(members_.current())) {
    if (id != options_.id)
      send(id,
           vote_request{false, transfer, log_.last_index(), log_.last_term()},
           0);
  }
}

// A candidate's own vote is like any other: it counts when it is durable.
void core::count_own_durable_vote() {
  if (role_ != role::candidate || own_vote_counted_
      || !tracker_.durable(hard_write_))
    return;
  own_vote_counted_ = true;
  count_vote(options_.id, true);
  conclude_election();
}

void core::count_vote(node_id id, bool granted) {
  for (const auto& vote : votes_)
    if (vote.id == id)
      return;
  votes_.push_back({id, granted});
}

void core::conclude_election() {
  auto result = joint_vote(
    members_.current(),
    [this](member who) {
      for (const auto& vote : votes_)
        if (vote.id == who.id
            && (who.id != options_.id
                || who.incarnation == options_.incarnation))
          return vote.granted ? ballot::yes : ballot::no;
      return ballot::missing;
    },
    options_.faults);
  if (result == vote_result::lost) {
    become_follower(term_, nobody);
  } else if (result == vote_result::won) {
    if (role_ == role::pre_candidate)
      start_real_election(false);
    else
      become_leader();
  }
}

void core::enter_term(term_number term) {
  term_ = term;
  vote_ = nobody;
  mark_hard_dirty();
  // What was to be said in an older term is of no use to anybody now.
  held_.clear();
}

// The vote stays when the term does: a candidate or a leader that steps down
// within its term has voted in it. And so does the election timer, as the paper
// has it: if a candidate that cannot win put it off by its mere term, who can
// win might never stand.
void core::become_follower(term_number term, node_id leader) {
  auto timer_runs = !leads();
  leader_ = leader;
  if (term > term_)
    enter_term(term);
  leave_office();
  role_ = role::follower;
  votes_.clear();
  if (!timer_runs)
    restart_election_timer();
}

// Ends what only a leader can carry on.
void core::leave_office() {
  for (const auto& open : proposals_)
    reply(open.request, answer_kind::outcome_unknown, refusal::none);
  proposals_.clear();
  uncommitted_bytes_ = 0;
  if (early_change_)
    reply(early_change_->request, answer_kind::refused, refusal::not_leader);
  early_change_.reset();
  refuse_reads(refusal::not_leader);
  if (transfer_)
    end_transfer(answer_kind::transferred, refusal::none);
  peers_.clear();
  rounds_.clear();
}

void core::become_leader() {
  role_ = role::leader;
  leader_ = options_.id;
  votes_.clear();
  proposals_.clear();
  uncommitted_bytes_ = 0;
  lease_given_up_ = false;
  forget_rounds();
  peers_.clear();
  renew_peers();
  quorum_deadline_ = now_ + options_.election_timeout;
  heartbeat_deadline_ = next_beat();
  append_own(entry_kind::nothing, {});
}

// A leader of this very term has spoken.
void core::follow(const message& head) {
  if (leads()) {
    // Two leaders in a term: no correct peer says so.
    ++odd_messages_;
    return;
  }
  if (role_ != role::follower || leader_ != head.from)
    become_follower(term_, head.from);
  promised_until_ = now_ + options_.election_timeout;
  restart_election_timer();
}

// Beats fall on multiples of the interval, whatever the group: a driver of many
// groups has one wake-up and one message a peer for all of them.
time core::next_beat() const noexcept {
  auto interval = options_.heartbeat_interval;
  return (now_ / interval + 1) * interval;
}

void core::check_quorum() {
  quorum_deadline_ = now_ + options_.election_timeout;
  auto result = joint_vote(
    members_.current(),
    [this](member who) {
      if (who == self())
        return ballot::yes;
      const auto* peer = find_peer(who.id);
      auto active = peer != nullptr && peer->incarnation == who.incarnation
                    && now_ - peer->last_contact < options_.election_timeout;
      return active ? ballot::yes : ballot::no;
    },
    options_.faults);
  if (result != vote_result::won)
    become_follower(term_, nobody);
}

void core::restart_election_timer() {
  auto span = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_deadline_ = now_ + options_.election_timeout
                       + time{static_cast<time::rep>(next_random() % span)};
}

std::uint64_t core::next_random() noexcept {
  random_ += 0x9E37'79B9'7F4A'7C15U;
  auto mixed = random_;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58'476D'1CE4'E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D0'49BB'1331'11EBU;
  return mixed ^ (mixed >> 31);
}

} // namespace neuroplex::raft
