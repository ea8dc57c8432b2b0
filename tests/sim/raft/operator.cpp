#include "tests/sim/raft/operator.hpp"

#include "tests/sim/raft/describe.hpp"

#include <algorithm>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t remembered_wishes = 8;
constexpr auto most_time_in_office = 20ms;
constexpr auto longest_isolation = 400ms;
constexpr auto time_to_append = 10ms;
constexpr auto time_to_hand_over = 2ms;
constexpr auto longest_rest = 60ms;

} // namespace

group_operator::group_operator(kernel& world, network& links,
                               std::vector<std::unique_ptr<raft_host>>& nodes)
  : world_{world}, links_{links}, nodes_{nodes}, dice_{
                                                   world.stream("operator")} {
}

void group_operator::strike_new_leaders(strike_style how, bool with_changes) {
  strikes_ = true;
  style_ = how;
  changes_ = with_changes;
  for (const auto& one : nodes_) {
    // Not from within the core's own step.
    one->on_elected = [this, leader = one.get()] {
      world_.after(0ns, [this, leader] { elected(*leader); });
    };
    one->on_first_commit = [this] {
      if (style_ == strike_style::short_offices && dice_.coin()) {
        world_.after(0ns, [this] { crash_all(); });
      }
    };
  }
}

void group_operator::elected(raft_host& leader) {
  if (!strikes_ || !leader.leads()) {
    return;
  }
  ++counts_.strikes;
  switch (style_) {
    case strike_style::mixed:
      strike_any_way(leader);
      return;
    case strike_style::short_offices:
      if (dice_.below(4) != 0) {
        cut_off(leader);
        crash_soon(leader, time_to_append);
      }
      return;
    case strike_style::hasty_changes:
      // Whoever led before may be heard again.
      links_.mend_all();
      if (dice_.below(4) == 0) {
        return;
      }
      if (dice_.coin()) {
        cut_off(leader);
      } else {
        leave_with_one(leader);
      }
      if (changes_) {
        remove_some(leader);
      }
      if (dice_.below(4) == 0) {
        crash_soon(leader, longest_isolation);
      }
      return;
    case strike_style::stale_reads:
      world_.after(dice_.between(0ns, longest_isolation), [this, &leader] {
        if (strikes_ && leader.leads()) {
          tempt(leader);
        }
      });
      return;
  }
}

void group_operator::strike_any_way(raft_host& leader) {
  const auto what = dice_.below(8);
  if (what < 4) {
    leave_with_one(leader);
  }
  if (changes_ && (what == 0 || what > 5)) {
    remove_some(leader);
  }
  if (what == 4) {
    tempt(leader);
  }
  if (what == 1 || what == 2 || what == 5) {
    crash_soon(leader, most_time_in_office);
  }
}

void group_operator::crash_soon(raft_host& leader, nanoseconds within) {
  world_.after(dice_.mostly_low(0ns, within), [this, &leader] {
    if (strikes_) {
      leader.box().crash(dice_.coin() ? stop::power_loss : stop::kill);
    }
  });
  world_.after(within + dice_.between(0ns, longest_rest), [this, &leader] {
    if (strikes_) {
      links_.mend_all();
      leader.box().start();
    }
  });
}

// The power goes everywhere, and with it whatever was on the way.
void group_operator::crash_all() {
  if (!strikes_) {
    return;
  }
  world_.note("power loss everywhere");
  for (const auto& one : nodes_) {
    one->box().crash();
    world_.after(dice_.between(0ns, longest_rest),
                 [box = &one->box()] { box->start(); });
  }
}

// With one other, the leader has no majority; often the two had one before.
void group_operator::leave_with_one(const raft_host& leader) {
  const auto here = static_cast<network::end_point>(leader.self().id - 1);
  const auto friend_here =
    static_cast<network::end_point>(dice_.below(nodes_.size()));
  world_.note("left with one", here, friend_here);
  for (network::end_point there = 0; there < nodes_.size(); ++there) {
    if (there != here && there != friend_here) {
      links_.cut(here, there);
      links_.cut(there, here);
    }
  }
  world_.after(dice_.mostly_low(1ms, longest_isolation),
               [this] { links_.mend_all(); });
}

void group_operator::cut_off(const raft_host& leader) {
  const auto here = static_cast<network::end_point>(leader.self().id - 1);
  world_.note("cut off", here);
  for (network::end_point there = 0; there < nodes_.size(); ++there) {
    if (there != here) {
      links_.cut(here, there);
      links_.cut(there, here);
    }
  }
}

// A leader that only clients can reach is read from again and again, while the
// others stand for election as soon as they may: at the end of the lease, to
// the moment. Some of them forget what they have promised, if they can.
void group_operator::tempt(raft_host& leader) {
  constexpr int times = 100;
  cut_off(leader);
  for (const auto& one : nodes_) {
    if (one.get() != &leader && one->box().is_up() && dice_.below(4) == 0) {
      one->box().crash(dice_.coin() ? stop::power_loss : stop::kill);
      one->box().start();
    }
  }
  tempt_again(leader, leader.node()->settings().election_timeout / 50, times);
}

void group_operator::tempt_again(raft_host& leader, nanoseconds pause,
                                 int times) {
  if (!strikes_) {
    return;
  }
  if (times == 0) {
    links_.mend_all();
    return;
  }
  const auto others_lead =
    std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& one) {
      return one.get() != &leader && one->leads();
    });
  for (const auto& one : nodes_) {
    if (one.get() != &leader && !others_lead && dice_.coin()) {
      one->order(raft::campaign{});
    }
  }
  client_request read;
  read.asked.what = verb::get;
  read.answer = [](reply, raft::node_id) {};
  leader.serve(read);
  world_.after(dice_.between(0ns, 2 * pause), [this, &leader, pause, times] {
    tempt_again(leader, pause, times - 1);
  });
}

void group_operator::remove_some(raft_host& leader) {
  const auto& voters = leader.members().voters;
  if (voters.size() < 2) {
    return;
  }
  raft::change_membership wish;
  for (auto count = dice_.between(1, std::uint64_t{2}); count > 0; --count) {
    const auto who = voters[dice_.below(voters.size())];
    wish.changes.push_back(
      {raft::change_kind::remove, who.id, who.incarnation});
  }
  ask(leader, wish);
}

void group_operator::add_deeds_to(nemesis& bad) {
  bad.add_deed(fault::membership,
               [this](dice& thrown) { change_members(thrown); });
  bad.add_deed(fault::transfer, [this](dice& thrown) {
    if (thrown.coin()) {
      transfer(thrown);
    } else {
      hurry_elections(thrown);
    }
  });
  bad.add_deed(fault::rot, [this](dice& thrown) {
    if (thrown.coin()) {
      damage(thrown, &raft_host::rot, counts_.rotten);
    } else {
      replace_one(thrown);
    }
  });
  bad.add_deed(fault::misdirected, [this](dice& thrown) {
    if (thrown.coin()) {
      damage(thrown, &raft_host::misdirect, counts_.misdirected);
    } else {
      replace_one(thrown);
    }
  });
}

raft_host* group_operator::some_leader(dice& thrown) {
  std::vector<raft_host*> leaders;
  for (const auto& one : nodes_) {
    if (one->leads()) {
      leaders.push_back(one.get());
    }
  }
  return leaders.empty() ? nullptr : leaders[thrown.below(leaders.size())];
}

bool group_operator::half_survives(const std::vector<raft::member>& voters,
                                   const raft_host* also_damaged) const {
  std::size_t whole = 0;
  for (const auto& who : voters) {
    const auto* node = nodes_[who.id - 1].get();
    whole += !node->may_be_damaged() && node != also_damaged
                 && node->self().incarnation == who.incarnation
               ? 1
               : 0;
  }
  return voters.empty() || whole > voters.size() / 2;
}

bool group_operator::survives(const raft::configuration& members,
                              const raft_host* also_damaged) const {
  return half_survives(members.voters, also_damaged)
         && half_survives(members.outgoing, also_damaged);
}

void group_operator::change_members(dice& thrown) {
  auto* leader = some_leader(thrown);
  if (leader == nullptr) {
    return;
  }
  if (strikes_ && style_ == strike_style::hasty_changes && thrown.coin()) {
    // In nobody's log but the leader's, who is gone for a moment.
    cut_off(*leader);
    crash_soon(*leader, time_to_append);
    remove_some(*leader);
    return;
  }
  raft::change_membership wish;
  const auto& now = leader->members();
  if (!now.joint() || thrown.below(4) == 0) {
    for (auto count = thrown.between(1, std::uint64_t{3}); count > 0; --count) {
      const auto who = nodes_[thrown.below(nodes_.size())]->self();
      const auto kind = static_cast<raft::change_kind>(thrown.below(3));
      wish.changes.push_back({kind, who.id, who.incarnation});
    }
    wish.transition = static_cast<raft::change_transition>(thrown.below(3));
  }
  ask(*leader, wish);
}

void group_operator::ask(raft_host& leader,
                         const raft::change_membership& asked) {
  auto wish = asked;
  wish.request = next_request_++;
  const auto next =
    raft::next_configuration(leader.members(), wish.changes, wish.transition);
  if (!next || !survives(*next, nullptr)) {
    return;
  }
  // Where the joint configuration leads to must survive as well.
  if (next->joint()) {
    const auto last = raft::leave_joint(*next);
    if (!last || !survives(*last, nullptr)) {
      return;
    }
  }
  asked_.push_back(*next);
  if (asked_.size() > remembered_wishes) {
    asked_.pop_front();
  }
  ++counts_.changes;
  world_.note("membership", leader.self().id, wish.changes.size());
  world_.tell([&] { return "asks for " + describe(*next); });
  leader.order(wish);
}

void group_operator::transfer(dice& thrown) {
  auto* leader = some_leader(thrown);
  if (leader == nullptr) {
    return;
  }
  ++counts_.transfers;
  const auto to = nodes_[thrown.below(nodes_.size())]->self().id;
  world_.note("transfer", leader->self().id, to);
  leader->order(raft::transfer_leadership{next_request_++, to});
  if (strikes_ && leader->leads()) {
    // Cut off when the other was told to stand, or nearly so.
    world_.after(dice_.mostly_low(0ns, time_to_hand_over), [this, leader] {
      if (strikes_ && leader->leads()) {
        tempt(*leader);
      }
    });
  }
}

// Several candidates at once, one of which perhaps does not survive its vote.
void group_operator::hurry_elections(dice& thrown) {
  for (auto count = thrown.between(1, std::uint64_t{3}); count > 0; --count) {
    auto& one = *nodes_[thrown.below(nodes_.size())];
    world_.note("campaign", one.self().id);
    one.order(raft::campaign{});
  }
}

void group_operator::damage(dice& thrown, bool (raft_host::*how)(dice&),
                            std::uint64_t& count) {
  auto* victim = nodes_[thrown.below(nodes_.size())].get();
  const auto bearable =
    std::all_of(
      nodes_.begin(), nodes_.end(),
      [&](const auto& one) { return survives(one->members(), victim); })
    // What was asked for may come to be at any time.
    && std::all_of(asked_.begin(), asked_.end(), [&](const auto& members) {
         return survives(members, victim);
       });
  if (bearable && (victim->*how)(thrown)) {
    ++count;
    // Seen only by who reads it again.
    victim->box().crash();
  }
}

void group_operator::replace_one(dice& thrown) {
  for (const auto& one : nodes_) {
    if (one->is_damaged() && thrown.coin()) {
      one->replace_disk();
      return;
    }
  }
}

} // namespace neuroplex::sim
