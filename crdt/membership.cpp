#include "crdt/membership.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace neuroplex::crdt {

membership::membership(std::set<replica_id> members)
  : members_{std::move(members)} {
  for (const auto& one : members_) // sorted: the last incarnation comes last
    last_incarnations_[one.node] = one.incarnation;
}

void membership::begin_epoch() {
  ++epoch_;
  held_.clear();
}

expected<void> membership::check(replica_id sender, std::uint64_t epoch) const {
  if (!members_.contains(sender))
    return failure{errc::denied,
                   "CRDT replica " + to_string(sender)
                     + ": not a member in epoch " + std::to_string(epoch_)
                     + ": nothing was applied; it takes the state of a member "
                       "and joins under a new incarnation"};
  if (epoch != epoch_)
    return failure{errc::mismatch,
                   "CRDT replica " + to_string(sender) + ": it sent in epoch "
                     + std::to_string(epoch) + ", this is epoch "
                     + std::to_string(epoch_)
                     + ": nothing was applied; the one behind enters the "
                       "later epoch first"};
  return {};
}

expected<void> membership::add(replica_id member) {
  auto last = last_incarnations_.find(member.node);
  if (last != last_incarnations_.end() && member.incarnation <= last->second)
    return failure{errc::conflict,
                   "CRDT replica " + to_string(member)
                     + ": its node belonged to the group under incarnation "
                     + std::to_string(last->second) + ": expected a later one"};
  members_.insert(member);
  last_incarnations_[member.node] = member.incarnation;
  begin_epoch();
  return {};
}

expected<void> membership::remove(replica_id member) {
  if (members_.erase(member) == 0)
    return failure{errc::not_found, "CRDT replica " + to_string(member)
                                      + ": not a member: name one that is"};
  leaving_.insert(member);
  begin_epoch();
  return {};
}

expected<void> membership::confirm(replica_id member, replica_id gone,
                                   std::uint64_t held) {
  if (!members_.contains(member) || !leaving_.contains(gone))
    return failure{errc::bad_argument,
                   "CRDT replica " + to_string(member) + " about "
                     + to_string(gone)
                     + ": expected a member to speak of one that left"};
  held_[gone][member] = held;
  return {};
}

bool membership::is_stable(replica_id gone) const {
  auto at = held_.find(gone);
  if (at == held_.end() || at->second.size() != members_.size())
    return false;
  auto first = at->second.begin()->second;
  return std::all_of(at->second.begin(), at->second.end(),
                     [&](const auto& one) { return one.second == first; });
}

expected<void> membership::retire(replica_id gone) {
  if (!leaving_.contains(gone))
    return failure{errc::not_found,
                   "CRDT replica " + to_string(gone)
                     + ": not one that left: remove it from the group first"};
  if (!is_stable(gone))
    return failure{errc::busy,
                   "CRDT replica " + to_string(gone)
                     + ": not all members told that they have the same of it: "
                       "nothing was dropped; try again when they did"};
  leaving_.erase(gone);
  begin_epoch();
  return {};
}

} // namespace neuroplex::crdt
