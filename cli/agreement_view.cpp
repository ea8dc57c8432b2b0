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

std::string leader_text(const agreement_group_report& group) {
  return group.leader == 0 ? "nobody is known to lead"
                           : "node " + std::to_string(group.leader) + " leads";
}

} // namespace

nlohmann::ordered_json agreement_json(const agreement_report& report) {
  auto groups = json::array();
  for (const auto& group : report.groups)
    groups.push_back(group_json(group));
  return {{"enabled", report.enabled},
          {"formed", report.formed},
          {"port", report.port},
          {"namespaces", report.spaces},
          {"log_batches", report.log_batches},
          {"log_writes", report.log_writes},
          {"log_bytes", report.log_bytes},
          {"log_full", report.log_full},
          {"problem", report.problem},
          {"groups", groups}};
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
  for (const auto& group : report.groups) {
    facts.add("agreement", group.role + " of term " + std::to_string(group.term)
                             + ", " + leader_text(group));
    facts.add("agreed", human_count(group.commit) + " committed, "
                          + human_count(group.applied) + " applied, lag "
                          + human_count(lag_of(group)) + ", snapshot at "
                          + human_count(group.snapshot));
    if (!group.problem.empty())
      facts.add("takes no part", config::escape(group.problem));
  }
  facts.add("raft log", human_count(report.log_batches, "flush", "flushes")
                          + " of "
                          + human_count(report.log_writes, "write", "writes")
                          + ", " + human_bytes(report.log_bytes));
  if (!report.problem.empty())
    facts.add("raft disk", config::escape(report.problem));
}

void show_members(context& ctx, const agreement_report& report) {
  for (const auto& group : report.groups) {
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
