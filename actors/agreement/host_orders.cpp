// What operators want of groups, and how leaders are spread over nodes.

#include "actors/agreement/host_implementation.hpp"

#include <algorithm>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

// How long an order may take at the node that leads.
constexpr auto order_patience = 5s;

// A peer has to have been there for so long before it is given a group to lead;
// then one at a time, with a pause.
constexpr auto acquaintance = 2s;
constexpr auto pause_between_handovers = 100ms;

// What became of a wish for several groups.
struct tally {
  std::size_t open = 0;
  std::size_t done = 0;
  std::size_t all = 0;
  expected<void> worst{};
  operator_answer answer{};

  void add(group_id group, const expected<void>& how) {
    if (how)
      ++done;
    else if (worst || how.code() == errc::unknown_outcome)
      worst = failure{how.code(), "group " + std::to_string(group) + ": "
                                    + how.error().message()};
    if (--open > 0)
      return;
    if (worst || all == 1)
      return answer(all == 1 ? how : worst);
    answer(failure{worst.code(), "done in " + std::to_string(done) + " of "
                                   + std::to_string(all) + " groups; "
                                   + worst.error().message()});
  }
};

} // namespace

void host::implementation::order(group_id group, order_kind kind,
                                 raft::node_id node, operator_answer done) {
  post([this, group, kind, node, done = std::move(done)] {
    std::vector<seat*> wanted;
    for (auto& one : seats_)
      if (group == all_groups || group == one->id)
        wanted.push_back(one.get());
    if (wanted.empty())
      return done(failure{errc::bad_argument,
                          "raft: group " + std::to_string(group)
                            + ": there are " + std::to_string(seats_.size())});
    auto all = std::make_shared<tally>();
    all->open = all->all = wanted.size();
    all->answer = done;
    for (auto* one : wanted)
      order_one(*one, kind, node,
                [all, id = one->id](const auto& how) { all->add(id, how); });
  });
}

void host::implementation::order_one(seat& which, order_kind kind,
                                     raft::node_id node, operator_answer done) {
  if (!which.part)
    return done(failure{errc::unavailable,
                        "raft: the first members have not all met yet"});
  auto leader = which.part->leader();
  if (kind == order_kind::transfer && leader == node)
    return done({});
  if (leader == options_.self)
    return carry_out_order(which, kind, node, done);
  auto* output = mesh_->output_to(leader);
  if (output == nullptr)
    return done(failure{errc::unavailable, "raft: nobody that leads can be "
                                           "reached at present, try again"});
  auto tag = order_tags | ++last_order_;
  orders_.emplace(tag, open_order{now_ + order_patience, std::move(done)});
  append_frame(order_frame{which.id, tag, kind, node}, *output);
}

void host::implementation::carry_out_order(seat& which, order_kind kind,
                                           raft::node_id node,
                                           const operator_answer& done) {
  auto& part = *which.part;
  touch(which);
  if (kind == order_kind::transfer)
    return part.transfer(node, done, now_);
  if (kind == order_kind::remove)
    return part.change({{raft::change_kind::remove, node, 0}}, done, now_);
  const auto members = part.status().core.members;
  const auto* voter = raft::find_member(members.voters, node);
  auto found = peers_.find(node);
  if (voter != nullptr && node == options_.self)
    return done({});
  if (found == peers_.end() || found->second.incarnation == 0)
    return done(failure{errc::unavailable,
                        "raft: node " + std::to_string(node)
                          + " has not been met: is it among the peers, and "
                            "running?"});
  const raft::member disk{node, found->second.incarnation};
  if (voter != nullptr && *voter == disk)
    return done({});
  std::vector<raft::member_change> changes;
  if (voter != nullptr)
    changes.push_back({raft::change_kind::remove, node, voter->incarnation});
  auto learns = raft::find_member(members.learners, node) != nullptr;
  changes.push_back(
    {learns ? raft::change_kind::add_voter : raft::change_kind::add_learner,
     node, disk.incarnation});
  part.change(std::move(changes), done, now_);
}

void host::implementation::take_order(raft::node_id from,
                                      const order_frame& what) {
  auto* where = find_seat(what.group);
  if (where == nullptr)
    return;
  auto answer = [this, from, group = what.group,
                 tag = what.tag](const expected<void>& how) {
    auto* output = mesh_->output_to(from);
    if (output == nullptr)
      return;
    reply_frame reply{.group = group, .tag = tag};
    reply.verdict = how ? reply_verdict::done : reply_verdict::refused;
    reply.code = how.code();
    if (!how)
      reply.bytes = how.error().message();
    append_frame(reply, *output);
  };
  carry_out_order(*where, what.kind, what.node, answer);
}

void host::implementation::take_order_reply(const reply_frame& what) {
  auto found = orders_.find(what.tag);
  if (found == orders_.end())
    return; // its time was over
  auto done = std::move(found->second.done);
  orders_.erase(found);
  if (what.verdict == reply_verdict::done)
    done({});
  else
    done(
      failure{what.code == errc::ok ? errc::protocol : what.code, what.bytes});
}

void host::implementation::drop_late_orders() {
  while (!orders_.empty() && orders_.begin()->second.deadline <= now_) {
    auto done = std::move(orders_.begin()->second.done);
    orders_.erase(orders_.begin());
    done(failure{errc::unknown_outcome,
                 "raft: the node that leads has not answered: see neuroplex "
                 "raft status"});
  }
}

void host::implementation::take_snapshot(group_id group, operator_answer done) {
  post([this, group, done = std::move(done)] {
    std::vector<seat*> wanted;
    for (auto& one : seats_) {
      if (!one->part || (group != all_groups && group != one->id))
        continue;
      auto core = one->part->status().core;
      if (core.applied > core.snapshot_index)
        wanted.push_back(one.get());
    }
    if (wanted.empty())
      return done(failure{errc::unavailable, "raft: nothing was applied since "
                                             "the last snapshot"});
    auto all = std::make_shared<tally>();
    all->open = all->all = wanted.size();
    all->answer = done;
    for (auto* one : wanted) {
      one->part->take_snapshot(
        [all, id = one->id](const auto& how) { all->add(id, how); });
      touch(*one);
    }
  });
}

// -- who leads ----------------------------------------------------------------

// So that the nodes of a new cluster lead about as many groups each.
void host::implementation::campaign_at_home() {
  const auto& voters = formation_->first()->voters;
  for (auto& one : seats_)
    if (voters[one->id % voters.size()].id == options_.self)
      one->part->campaign(now_);
}

// A node that leads at least two groups more than another one gives it one.
void host::implementation::spread_leaders() {
  if (!formed_ || seats_.size() == 1 || handing_over_ || now_ < next_spread_)
    return;
  next_spread_ = now_ + pause_between_handovers;
  std::map<raft::node_id, std::size_t> led;
  for (const auto& one : seats_)
    ++led[one->part->leader()];
  std::vector<std::pair<std::size_t, raft::node_id>> heirs; // the poorest first
  for (const auto& [id, one] : peers_)
    if (mesh_->reaches(id) && mesh_->hears(id)
        && now_ - one.met_at >= acquaintance
        && led[options_.self] >= led[id] + 2)
      heirs.emplace_back(led[id], id);
  std::sort(heirs.begin(), heirs.end());
  for (auto [count, heir] : heirs)
    for (auto& one : seats_) {
      if (!one->part->could_hand_over_to(heir))
        continue;
      handing_over_ = true;
      one->part->transfer(
        heir, [this](const expected<void>&) { handing_over_ = false; }, now_);
      return touch(*one);
    }
}

} // namespace neuroplex::agreement
