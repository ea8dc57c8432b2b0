#include "consensus/raft/config_change.hpp"

#include "consensus/raft/limits.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::raft {

namespace {

failure change_failure(const char* what) {
  return {errc::bad_argument, what};
}

void insert_member(std::vector<member>& list, member who) {
  auto place = std::lower_bound(list.begin(), list.end(), who,
                                [](member x, member y) { return x.id < y.id; });
  if (place != list.end() && place->id == who.id)
    *place = who;
  else
    list.insert(place, who);
}

void erase_member(std::vector<member>& list, node_id id) {
  std::erase_if(list, [id](member who) { return who.id == id; });
}

void remove_member(configuration& members, node_id id) {
  erase_member(members.voters, id);
  erase_member(members.learners, id);
  erase_member(members.learners_next, id);
}

void apply_change(configuration& members, const member_change& change) {
  auto who = member{change.id, change.incarnation};
  remove_member(members, who.id);
  switch (change.kind) {
    case change_kind::add_voter:
      insert_member(members.voters, who);
      break;
    case change_kind::add_learner:
      // An outgoing voter stays one until the configuration is left.
      if (find_member(members.outgoing, who.id) != nullptr)
        insert_member(members.learners_next, who);
      else
        insert_member(members.learners, who);
      break;
    case change_kind::remove:
      break;
  }
}

expected<configuration> changed(configuration members,
                                std::span<const member_change> changes) {
  for (const auto& change : changes)
    if (change.id != nobody)
      apply_change(members, change);
  if (members.voters.empty())
    return change_failure("the change would remove all voters");
  if (member_ids(members).size() > limits::max_members)
    return change_failure("the change would leave too many members");
  return members;
}

std::size_t count_differences(const std::vector<member>& x,
                              const std::vector<member>& y) {
  std::vector<member> both;
  std::set_symmetric_difference(x.begin(), x.end(), y.begin(), y.end(),
                                std::back_inserter(both));
  return both.size();
}

bool is_simple(const configuration& before, const configuration& after) {
  return count_differences(before.voters, after.voters) <= 1;
}

bool ascending(std::span<const member> list) noexcept {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (list[i].id == nobody || (i > 0 && list[i - 1].id >= list[i].id))
      return false;
  return true;
}

} // namespace

const member* find_member(std::span<const member> list, node_id id) noexcept {
  auto place =
    std::lower_bound(list.begin(), list.end(), id,
                     [](member who, node_id key) { return who.id < key; });
  return place != list.end() && place->id == id ? &*place : nullptr;
}

bool is_voter(const configuration& members, member who) noexcept {
  for (const auto* list : {&members.voters, &members.outgoing}) {
    const auto* found = find_member(*list, who.id);
    if (found != nullptr && found->incarnation == who.incarnation)
      return true;
  }
  return false;
}

std::vector<node_id> member_ids(const configuration& members) {
  std::vector<node_id> ids;
  for (const auto* list : {&members.voters, &members.outgoing,
                           &members.learners, &members.learners_next})
    for (const auto& who : *list)
      ids.push_back(who.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

incarnation_number newest_incarnation(const configuration& members,
                                      node_id id) noexcept {
  incarnation_number newest = 0;
  for (const auto* list : {&members.voters, &members.outgoing,
                           &members.learners, &members.learners_next})
    if (const auto* found = find_member(*list, id))
      newest = std::max(newest, found->incarnation);
  return newest;
}

expected<configuration> simple_change(const configuration& before,
                                      std::span<const member_change> changes) {
  if (before.joint())
    return change_failure("a joint configuration must be left first");
  auto after = changed(before, changes);
  if (after && !is_simple(before, *after))
    return change_failure("more than one voter changes: that needs a joint "
                          "configuration");
  return after;
}

expected<configuration> enter_joint(const configuration& before,
                                    std::span<const member_change> changes,
                                    bool auto_leave) {
  if (before.joint())
    return change_failure("the configuration is joint already");
  if (before.voters.empty())
    return change_failure("there is no voter to begin with");
  auto joint = before;
  joint.outgoing = before.voters;
  joint.auto_leave = auto_leave;
  return changed(std::move(joint), changes);
}

expected<configuration> leave_joint(const configuration& before) {
  if (!before.joint())
    return change_failure("the configuration is not joint");
  auto after = before;
  for (const auto& who : after.learners_next)
    insert_member(after.learners, who);
  after.learners_next.clear();
  after.outgoing.clear();
  after.auto_leave = false;
  return after;
}

expected<configuration>
next_configuration(const configuration& before,
                   std::span<const member_change> changes,
                   change_transition transition) {
  if (transition == change_transition::automatic && changes.empty())
    return leave_joint(before);
  if (transition == change_transition::automatic && !before.joint()) {
    auto after = changed(before, changes);
    if (!after || is_simple(before, *after))
      return after;
  }
  return enter_joint(before, changes,
                     transition != change_transition::joint_explicit);
}

bool well_formed(const configuration& members) noexcept {
  for (const auto* list : {&members.voters, &members.outgoing,
                           &members.learners, &members.learners_next})
    if (list->size() > limits::max_members || !ascending(*list))
      return false;
  auto count = members.voters.size() + members.outgoing.size()
               + members.learners.size() + members.learners_next.size();
  if (members.voters.empty())
    return count == 0 && !members.auto_leave;
  if (!members.joint()
      && (members.auto_leave || !members.learners_next.empty()))
    return false;
  for (const auto& who : members.learners)
    if (find_member(members.voters, who.id) != nullptr
        || find_member(members.outgoing, who.id) != nullptr)
      return false;
  for (const auto& who : members.learners_next)
    if (find_member(members.voters, who.id) != nullptr
        || find_member(members.learners, who.id) != nullptr
        || find_member(members.outgoing, who.id) == nullptr)
      return false;
  return true;
}

} // namespace neuroplex::raft
