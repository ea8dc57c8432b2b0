#include "cli/agreement_view.hpp"

#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <algorithm>
#include <string>

namespace neuroplex::cli {

namespace {

using actors::agreement_group_report;
using actors::agreement_report;
using json = nlohmann::ordered_json;

std::uint64_t lag_of(const agreement_group_report& group) {
  return group.last_index - std::min(group.applied, group.last_index);
}

json members_json(const agreement_group_report& group) {
  auto list = json::array();
  for (const auto& one : group.members)
    list.push_back({{"replica_id", one.replica_id},
                    {"kind", one.kind},
                    {"present", one.present},
                    {"connected", one.connected},
                    {"match", one.match}});
  return list;
}

json group_json(const agreement_group_report& group) {
  return {{"group", group.group},
          {"role", group.role},
          {"voter", group.voter},
          {"leader", group.leader},
          {"term", group.term},
          {"index", group.last_index},
          {"commit", group.commit},
          {"applied", group.applied},
          {"lag", lag_of(group)},
          {"snapshot", group.snapshot},
          {"log_bytes", group.log_bytes},
          {"commands", group.commands},
          {"reads", group.reads},
          {"elections", group.elections},
          {"odd_messages", group.odd_messages},
          {"problem", group.problem},
          {"members", members_json(group)}};
}

json byzantine_json(const actors::byzantine_report& what) {
  return {{"mode", what.mode},
          {"faults", what.faults},
          {"epoch", what.epoch},
          {"view", what.view},
          {"primary", what.primary},
          {"view_active", what.view_active},
          {"executed", what.executed},
          {"stable_checkpoint", what.stable_checkpoint},
          {"view_changes", what.view_changes},
          {"state_transfers", what.state_transfers},
          {"transferring", what.transferring},
          {"misdeeds", what.misdeeds},
          {"evidence", what.evidence},
          {"lowest_trust", what.lowest_trust},
          {"switches", what.switches},
          {"rolled_back", what.rolled_back},
          {"operations", what.operations},
          {"wishes", what.wishes},
          {"key", what.key}};
}

std::string leader_text(const agreement_group_report& group) {
  return group.leader == 0 ? "nobody is known to lead"
                           : "node " + std::to_string(group.leader) + " leads";
}

// What many groups come to.
void add_all_groups(fact_list& facts, const agreement_report& report) {
  std::uint64_t led = 0;
  std::uint64_t without = 0;
  std::uint64_t commit = 0;
  std::uint64_t applied = 0;
  std::uint64_t lag = 0;
  for (const auto& group : report.groups) {
    led += group.role == "leader";
    without += group.leader == 0;
    commit += group.commit;
    applied += group.applied;
    lag += lag_of(group);
  }
  facts.add("agreement",
            "leads " + human_count(led) + " of "
              + human_count(report.groups.size(), "group", "groups")
              + (without == 0
                   ? std::string{}
                   : ", nobody is known to lead " + human_count(without)));
  facts.add("agreed", human_count(commit) + " committed, "
                        + human_count(applied) + " applied, lag "
                        + human_count(lag));
}

std::string member_list(const agreement_group_report& group) {
  std::string list;
  for (const auto& one : group.members) {
    list += (list.empty() ? "" : " ") + std::to_string(one.replica_id);
    if (one.kind != "voter")
      list += " (" + one.kind + ")";
  }
  return list;
}

} // namespace

nlohmann::ordered_json agreement_json(const agreement_report& report) {
  auto groups = json::array();
  for (const auto& group : report.groups)
    groups.push_back(group_json(group));
  json all = {{"enabled", report.enabled},
              {"protocol", report.protocol},
              {"formed", report.formed},
              {"port", report.port},
              {"namespaces", report.spaces},
              {"log_batches", report.log_batches},
              {"log_writes", report.log_writes},
              {"log_bytes", report.log_bytes},
              {"log_full", report.log_full},
              {"problem", report.problem},
              {"groups", groups}};
  if (report.enabled && report.protocol != "raft")
    all["byzantine"] = byzantine_json(report.byzantine);
  return all;
}

// What a group of which some may lie has beside.
void add_byzantine(fact_list& facts, const agreement_report& report) {
  const auto& what = report.byzantine;
  facts.add(
    "protocol",
    report.protocol
      + (report.protocol == "hybrid"
           ? ", by " + what.mode + " in epoch " + human_count(what.epoch)
           : std::string{})
      + ", bears " + human_count(what.faults) + " that lie");
  if (!report.groups.empty() && report.groups.front().problem.size() > 0)
    facts.add("takes no part", config::escape(report.groups.front().problem));
  facts.add("view", human_count(what.view) + ", primary is node "
                      + std::to_string(what.primary)
                      + (what.view_active ? "" : ", not begun here yet"));
  facts.add("agreed", human_count(what.executed) + " executed, checkpoint at "
                        + human_count(what.stable_checkpoint)
                        + (what.transferring ? ", fetching a state" : ""));
  facts.add("trust",
            "lowest " + human_number(what.lowest_trust) + ", "
              + human_count(what.evidence, "piece", "pieces") + " of evidence, "
              + human_count(what.switches, "switch", "switches") + " of mode, "
              + human_count(what.rolled_back) + " rolled back");
  facts.add("key", what.key);
}

void add_agreement(fact_list& facts, const agreement_report& report) {
  if (!report.enabled)
    return;
  std::string names;
  for (const auto& name : report.spaces)
    names += (names.empty() ? "" : ", ") + config::escape(name);
  facts.add("agreed on", names);
  if (!report.formed)
    facts.add("agreement", "waits until the first members have all met");
  if (report.groups.size() > 1)
    add_all_groups(facts, report);
  if (report.protocol != "raft")
    add_byzantine(facts, report);
  for (const auto& group : report.groups) {
    if (report.protocol != "raft")
      break;
    if (!group.problem.empty())
      facts.add("takes no part", "group " + std::to_string(group.group) + ": "
                                   + config::escape(group.problem));
    if (report.groups.size() > 1)
      continue;
    facts.add("agreement", group.role + " of term " + std::to_string(group.term)
                             + ", " + leader_text(group));
    facts.add("agreed", human_count(group.commit) + " committed, "
                          + human_count(group.applied) + " applied, lag "
                          + human_count(lag_of(group)) + ", snapshot at "
                          + human_count(group.snapshot));
  }
  facts.add("agreement log",
            human_count(report.log_batches, "flush", "flushes") + " of "
              + human_count(report.log_writes, "write", "writes") + ", "
              + human_bytes(report.log_bytes));
  if (!report.problem.empty())
    facts.add("agreement problem", config::escape(report.problem));
}

void show_groups(context& ctx, const agreement_report& report) {
  if (report.groups.size() < 2)
    return;
  ctx.out << '\n';
  table rows{{{"group", table::align::right},
              {"role", table::align::left},
              {"leader", table::align::right},
              {"term", table::align::right},
              {"committed", table::align::right},
              {"lag", table::align::right},
              {"members", table::align::left}}};
  for (const auto& group : report.groups)
    rows.add_row({std::to_string(group.group), group.role,
                  group.leader == 0 ? "-" : std::to_string(group.leader),
                  std::to_string(group.term), human_count(group.commit),
                  human_count(lag_of(group)), member_list(group)});
  rows.print(ctx.out, ctx.terminal, 0);
}

void show_members(context& ctx, const agreement_report& report,
                  std::uint64_t which) {
  for (const auto& group : report.groups) {
    if (group.group != std::max<std::uint64_t>(which, 1))
      continue;
    ctx.out << '\n';
    table rows{{{"member", table::align::right},
                {"kind", table::align::left},
                {"state", table::align::left},
                {"has", table::align::right}}};
    for (const auto& one : group.members) {
      std::string state = one.connected ? "connected" : "not connected";
      if (one.connected && !one.present)
        state = "came back with another disk: add it again";
      rows.add_row({std::to_string(one.replica_id), one.kind, state,
                    one.match == 0 ? "-" : human_count(one.match)});
    }
    rows.print(ctx.out, ctx.terminal, 0);
  }
}

} // namespace neuroplex::cli
