// The scripts of whole clusters.
#include "tests/raft/group.hpp"
#include "tests/raft/suites.hpp"

#include <algorithm>

namespace neuroplex::raft_scenarios {

namespace {

using namespace raft;

constexpr std::size_t hidden_output = 1;

const char* state_name(role which) {
  switch (which) {
    case role::follower:
      return "StateFollower";
    case role::pre_candidate:
      return "StatePreCandidate";
    case role::candidate:
      return "StateCandidate";
    case role::leader:
      return "StateLeader";
    case role::stopped:
      return "Stopped";
  }
  return "";
}

const char* progress_name(progress_state which) {
  switch (which) {
    case progress_state::probe:
      return "StateProbe";
    case progress_state::replicate:
      return "StateReplicate";
    case progress_state::snapshot:
      return "StateSnapshot";
  }
  return "";
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines)
    text += (text.empty() ? "" : " | ") + line;
  return text;
}

/// One script at work.
class replay {
public:
  explicit replay(verdict& out) : out_{out} {
  }

  void run(const script_step& step) {
    if (!carry_out(step))
      out_.compare(step, "a command that is known", step.command);
    out_.compare(step, "", all_.check());
  }

private:
  static std::vector<node_id> ids_of(const script_step& step) {
    std::vector<node_id> ids;
    for (const auto& word : step.words)
      if (auto id = number_of(word))
        ids.push_back(*id);
    return ids;
  }

  static node_id first_id(const script_step& step) {
    auto ids = ids_of(step);
    return ids.empty() ? nobody : ids.front();
  }

  bool carry_out(const script_step& step) {
    const auto& name = step.command;
    auto id = first_id(step);
    if (name == "log-level")
      return true;
    if (name == "add-nodes")
      return add_nodes(step);
    if (name == "campaign")
      return give(id, campaign{});
    if (name == "forget-leader")
      return give(id, forget_leader{});
    if (name == "report-unreachable")
      return give(id, peer_unreachable{ids_of(step).at(1)});
    if (name == "propose")
      return propose_text(step);
    if (name == "propose-conf-change")
      return propose_change(step);
    if (name == "transfer-leadership")
      return give(
        number_of(step.argument("from")).value_or(0),
        transfer_leadership{0, number_of(step.argument("to")).value_or(0)});
    if (name == "process-ready") {
      for (auto one : ids_of(step))
        all_.process(one);
      return true;
    }
    if (name == "stabilize")
      return stabilize(step);
    if (name == "deliver-msgs")
      return deliver(step);
    if (name == "tick-heartbeat")
      return pass(id, 1);
    if (name == "tick-election")
      return pass(id, election_ticks);
    if (name == "set-randomized-election-timeout")
      return true; // here it is above what the scripts let pass in any case
    if (name == "compact")
      return compact(step);
    if (name == "raft-state")
      return compare_states(step);
    if (name == "raft-log")
      return compare_log(step);
    if (name == "status")
      return compare_progress(step);
    return false;
  }

  bool add_nodes(const script_step& step) {
    auto count = number_of(step.words.at(0)).value_or(0);
    for (std::uint64_t i = 0; i < count; ++i) {
      options settings;
      settings.id = all_.ids().size() + 1;
      settings.seed = 1;
      settings.heartbeat_interval = script_tick;
      settings.election_timeout = election_ticks * script_tick;
      settings.pre_vote = step.argument("prevote") == "true";
      settings.check_quorum = step.argument("checkquorum") == "true";
      settings.lease_reads = step.argument("read-only") == "lease-based";
      settings.voters_begin_as_learners = false;
      settings.kept_entries = 0;
      if (auto limit = number_of(step.argument("inflight")))
        settings.max_inflight_messages = *limit;
      configuration members;
      for (auto id : list_numbers(step.argument("voters")))
        members.voters.push_back({id, 0});
      for (auto id : list_numbers(step.argument("learners")))
        members.learners.push_back({id, 0});
      auto index = number_of(step.argument("index")).value_or(0);
      all_.add(settings, members, index);
      if (settings.lease_reads) // its promise after a start has ended
        pass(settings.id, election_ticks);
    }
    return true;
  }

  bool give(node_id id, const input& what) {
    if (!all_.has(id))
      return false;
    all_.give(id, what);
    return true;
  }

  // Who does not lead hands a wish on to whom he takes for the leader.
  node_id responsible(node_id id) const {
    auto leader = all_.at(id).brain->state().leader;
    return leader != nobody && all_.has(leader) ? leader : id;
  }

  bool propose_text(const script_step& step) {
    auto id = first_id(step);
    auto text = step.words.size() > 1 ? step.words[1] : std::string{};
    return give(responsible(id), propose{0, {slice::copy_of(text)}});
  }

  bool propose_change(const script_step& step) {
    change_membership wish;
    wish.changes = parse_changes(step.input);
    auto transition = step.argument("transition");
    if (transition == "explicit")
      wish.transition = change_transition::joint_explicit;
    else if (transition == "implicit")
      wish.transition = change_transition::joint_implicit;
    // Where a change is refused here, the other implementation puts an empty
    // entry into the log in its place.
    auto leader = responsible(first_id(step));
    if (all_.has(leader) && all_.give(leader, wish))
      all_.give(leader, propose{0, {slice{}}});
    return true;
  }

  bool stabilize(const script_step& step) {
    auto ids = ids_of(step);
    all_.stabilize(ids.empty() ? all_.ids() : ids);
    if (ids.empty() && step.output.size() > hidden_output)
      compare_hard_states(step);
    return true;
  }

  bool deliver(const script_step& step) {
    for (auto id : ids_of(step))
      all_.deliver(id);
    for (auto id : list_numbers(step.argument("drop")))
      all_.drop(id);
    return true;
  }

  bool pass(node_id id, int ticks) {
    for (int i = 0; i < ticks; ++i)
      all_.tick(id);
    return true;
  }

  bool compact(const script_step& step) {
    auto ids = ids_of(step);
    all_.compact(ids.at(0), ids.at(1));
    return compare_log(step);
  }

  bool compare_states(const script_step& step) {
    std::vector<std::string> lines;
    for (auto id : all_.ids()) {
      auto state = all_.at(id).brain->state();
      lines.push_back(std::to_string(id) + ": " + state_name(state.role)
                      + (state.voter ? " (Voter)" : " (Non-Voter)")
                      + " Term:" + std::to_string(state.term)
                      + " Lead:" + std::to_string(state.leader));
    }
    out_.compare(step, joined(step.output), joined(lines));
    return true;
  }

  // Terms, indexes, kinds and commands; how a change of membership is written
  // down is everybody's own business.
  bool compare_log(const script_step& step) {
    if (step.output.size() == 1 && step.output.front() == "ok")
      return true;
    std::vector<std::string> expected;
    for (const auto& line : step.output) {
      auto words = words_of(line);
      auto change = words.size() > 1 && words[1].starts_with("EntryConf");
      expected.push_back(change ? words[0] + " change" : line);
    }
    std::vector<std::string> found;
    for (const auto& one : all_.at(first_id(step)).disk) {
      auto head = std::to_string(one.term) + "/" + std::to_string(one.index);
      found.push_back(one.kind == entry_kind::configuration
                        ? head + " change"
                        : head + " EntryNormal \""
                            + std::string{one.data.view()} + "\"");
    }
    out_.compare(step, joined(expected), joined(found));
    return true;
  }

  bool compare_progress(const script_step& step) {
    auto state = all_.at(first_id(step)).brain->state();
    std::vector<std::string> expected;
    for (const auto& line : step.output) {
      auto words = words_of(line);
      words.resize(std::min<std::size_t>(words.size(), 4));
      std::string text;
      for (const auto& word : words)
        text += (text.empty() ? "" : " ") + word;
      expected.push_back(text);
    }
    std::map<node_id, std::string> lines;
    auto describe_peer = [](node_id id, progress_state which, log_index match,
                            log_index next) {
      return std::to_string(id) + ": " + progress_name(which) + " match="
             + std::to_string(match) + " next=" + std::to_string(next);
    };
    lines[state.id] = describe_peer(state.id, progress_state::replicate,
                                    state.durable_index, state.last_index + 1);
    for (const auto& peer : state.peers)
      lines[peer.id] =
        describe_peer(peer.id, peer.state, peer.match, peer.next);
    std::vector<std::string> found;
    found.reserve(lines.size());
    for (const auto& [id, line] : lines)
      found.push_back(line);
    out_.compare(step, joined(expected), joined(found));
    return true;
  }

  // The last hard state that each node is said to have written in this step.
  void compare_hard_states(const script_step& step) {
    std::map<node_id, std::string> expected;
    node_id id = nobody;
    for (const auto& line : step.output) {
      auto words = words_of(line);
      if (words.size() > 2 && words[0] == ">")
        id = number_of(words[1]).value_or(nobody);
      if (words.size() < 3 || words[0] != "HardState" || id == nobody)
        continue;
      expected[id] = line.substr(line.find("Term:"));
    }
    for (const auto& [node, text] : expected) {
      auto state = all_.at(node).brain->state();
      auto found = "Term:" + std::to_string(state.term);
      if (state.vote != nobody)
        found += " Vote:" + std::to_string(state.vote);
      found += " Commit:" + std::to_string(state.commit);
      out_.compare(step, std::to_string(node) + ": " + text,
                   std::to_string(node) + ": " + found);
    }
  }

  verdict& out_;
  group all_;
};

} // namespace

void replay_interaction(const std::vector<script_step>& steps, verdict& out) {
  replay one{out};
  for (const auto& step : steps)
    one.run(step);
}

} // namespace neuroplex::raft_scenarios
