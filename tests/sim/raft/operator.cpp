#include "tests/sim/raft/operator.hpp"

#include "tests/sim/raft/describe.hpp"

#include <algorithm>

namespace neuroplex::sim {

namespace {

constexpr std::size_t remembered_wishes = 8;

} // namespace

group_operator::group_operator(kernel& world,
                               std::vector<std::unique_ptr<raft_host>>& nodes)
  : world_{world}, nodes_{nodes} {
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
  raft::change_membership wish;
  wish.request = next_request_++;
  const auto& now = leader->members();
  if (!now.joint() || thrown.below(4) == 0) {
    for (auto count = thrown.between(1, std::uint64_t{3}); count > 0; --count) {
      const auto who = nodes_[thrown.below(nodes_.size())]->self();
      const auto kind = static_cast<raft::change_kind>(thrown.below(3));
      wish.changes.push_back({kind, who.id, who.incarnation});
    }
    wish.transition = static_cast<raft::change_transition>(thrown.below(3));
  }
  const auto next =
    raft::next_configuration(now, wish.changes, wish.transition);
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
  world_.note("membership", leader->self().id, wish.changes.size());
  world_.tell([&] { return "asks for " + describe(*next); });
  leader->order(wish);
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
