// The scripts without a cluster: majorities and changes of membership.
#include "consensus/raft/quorum.hpp"
#include "tests/raft/suites.hpp"

#include <map>

namespace neuroplex::raft_scenarios {

namespace {

using raft::ballot;
using raft::configuration;
using raft::member;
using raft::node_id;

std::vector<member> members_of(const std::string& text) {
  std::vector<member> list;
  if (text != "zero")
    for (auto id : list_numbers(text))
      list.push_back({id, 0});
  return list;
}

// Values are given in the order of the ids of both halves, each id once.
std::map<node_id, std::string> values_by_id(const configuration& halves,
                                            const std::string& text) {
  std::map<node_id, std::string> values;
  auto items = list_items(text);
  std::size_t next = 0;
  for (const auto* list : {&halves.voters, &halves.outgoing})
    for (const auto& who : *list)
      if (!values.contains(who.id) && next < items.size())
        values[who.id] = items[next++];
  return values;
}

std::string committed_index(const configuration& halves,
                            const std::map<node_id, std::string>& values) {
  auto index = raft::joint_index(halves, [&](member who) {
    auto found = values.find(who.id);
    return found == values.end() ? 0 : number_of(found->second).value_or(0);
  });
  return index == raft::everything ? "∞" : std::to_string(index);
}

std::string vote_outcome(const configuration& halves,
                         const std::map<node_id, std::string>& values) {
  auto result = raft::joint_vote(halves, [&](member who) {
    auto found = values.find(who.id);
    if (found == values.end() || found->second == "_")
      return ballot::missing;
    return found->second == "y" ? ballot::yes : ballot::no;
  });
  switch (result) {
    case raft::vote_result::won:
      return "VoteWon";
    case raft::vote_result::lost:
      return "VoteLost";
    case raft::vote_result::pending:
      return "VotePending";
  }
  return {};
}

// The result closes the last line; drawings may stand before it.
std::string last_result(const script_step& step) {
  if (step.output.empty())
    return {};
  const auto& line = step.output.back();
  if (line.ends_with("∞"))
    return "∞";
  auto words = words_of(line);
  return words.empty() ? std::string{} : words.back();
}

std::string joined_ids(const std::vector<member>& list) {
  std::string text = "(";
  for (const auto& who : list) {
    text += text.size() > 1 ? " " : "";
    text += std::to_string(who.id);
  }
  return text + ")";
}

} // namespace

std::vector<raft::member_change>
parse_changes(const std::vector<std::string>& lines) {
  std::vector<raft::member_change> changes;
  for (const auto& line : lines)
    for (const auto& word : words_of(line)) {
      auto id = number_of(std::string_view{word}.substr(1)).value_or(0);
      switch (word.front()) {
        case 'v':
          changes.push_back({raft::change_kind::add_voter, id, 0});
          break;
        case 'l':
          changes.push_back({raft::change_kind::add_learner, id, 0});
          break;
        case 'r':
          changes.push_back({raft::change_kind::remove, id, 0});
          break;
        default:
          break;
      }
    }
  return changes;
}

std::string describe(const configuration& members) {
  auto text = "voters=" + joined_ids(members.voters);
  if (members.joint())
    text += "&&" + joined_ids(members.outgoing);
  if (!members.learners.empty())
    text += " learners=" + joined_ids(members.learners);
  if (!members.learners_next.empty())
    text += " learners_next=" + joined_ids(members.learners_next);
  if (members.auto_leave)
    text += " autoleave";
  return text;
}

void replay_quorum(const std::vector<script_step>& steps, verdict& out) {
  for (const auto& step : steps) {
    configuration halves;
    halves.voters = members_of(step.argument("cfg"));
    halves.outgoing = members_of(step.argument("cfgj"));
    if (step.command == "committed")
      out.compare(
        step, last_result(step),
        committed_index(halves, values_by_id(halves, step.argument("idx"))));
    else
      out.compare(
        step, last_result(step),
        vote_outcome(halves, values_by_id(halves, step.argument("votes"))));
  }
}

void replay_confchange(const std::vector<script_step>& steps, verdict& out) {
  configuration now;
  for (const auto& step : steps) {
    auto changes = parse_changes(step.input);
    auto next =
      step.command == "simple" ? raft::simple_change(now, changes)
      : step.command == "enter-joint"
        ? raft::enter_joint(now, changes, step.argument("autoleave") == "true")
        : raft::leave_joint(now);
    auto expected = step.output.empty() ? std::string{} : step.output.front();
    if (!expected.starts_with("voters="))
      expected = "error";
    out.compare(step, expected, next ? describe(*next) : "error");
    if (next)
      now = *next;
  }
}

} // namespace neuroplex::raft_scenarios
