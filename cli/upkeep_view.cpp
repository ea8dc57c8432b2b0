#include "cli/upkeep_view.hpp"

#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

json tasks_json(const std::vector<upkeep::task_report>& tasks) {
  auto list = json::array();
  for (const auto& each : tasks)
    list.push_back({{"task", each.task},
                    {"interval_ms", each.interval_ms},
                    {"step", each.step},
                    {"unit", each.unit},
                    {"runs", each.runs},
                    {"full_runs", each.full_runs},
                    {"failures", each.failures},
                    {"found", each.found},
                    {"last_found", each.last_found},
                    {"last_took_ns", each.last_took_ns},
                    {"longest_ns", each.longest_ns},
                    {"last_run_ms", each.last_run_ms},
                    {"problem", each.problem}});
  return list;
}

json advices_json(const std::vector<upkeep::advice>& advices) {
  auto list = json::array();
  for (const auto& each : advices)
    list.push_back({{"setting", each.setting},
                    {"present", each.present},
                    {"proposed", each.proposed},
                    {"reason", each.reason},
                    {"safe", each.safe},
                    {"applied", each.applied}});
  return list;
}

json spaces_json(const std::vector<upkeep::space_report>& spaces) {
  auto list = json::array();
  for (const auto& each : spaces)
    list.push_back({{"name", each.name},
                    {"policy", each.policy},
                    {"priority", each.priority},
                    {"entries", each.entries},
                    {"block_bytes", each.block_bytes},
                    {"quota_bytes", each.quota_bytes},
                    {"default_ttl_ms", each.default_ttl_ms},
                    {"share_from", each.share_from},
                    {"shared_bytes", each.shared_bytes},
                    {"content_block_bytes", each.content_block_bytes}});
  return list;
}

std::string permille_text(std::uint32_t permille) {
  return std::to_string(permille / 10) + "." + std::to_string(permille % 10)
         + " %";
}

} // namespace

json upkeep_json(const upkeep::upkeep_report& r) {
  return {{"pressure",
           {{"permille", r.pressure.permille},
            {"threshold_percent", r.pressure.threshold_percent},
            {"level", to_string(r.pressure.level)}}},
          {"gc", r.gc.strategy},
          {"tasks", tasks_json(r.tasks)},
          {"optimizer",
           {{"mode", r.optimizer.mode},
            {"looks", r.optimizer.looks},
            {"applied", r.optimizer.applied},
            {"advice", advices_json(r.optimizer.advices)}}},
          {"lent",
           {{"blocks", r.lent.blocks},
            {"bytes", r.lent.bytes},
            {"allocated", r.lent.allocated},
            {"returned", r.lent.returned},
            {"expired", r.lent.expired},
            {"orphaned", r.lent.orphaned},
            {"refused", r.lent.refused}}},
          {"namespaces", spaces_json(r.spaces)}};
}

void add_upkeep(fact_list& facts, const upkeep::upkeep_report& r) {
  facts.add("pressure", permille_text(r.pressure.permille) + " of the pool, "
                          + to_string(r.pressure.level) + "; eviction from "
                          + std::to_string(r.pressure.threshold_percent)
                          + " % on");
  if (r.lent.allocated + r.lent.refused > 0)
    facts.add("lent", human_count(r.lent.blocks, "block", "blocks") + " of "
                        + human_bytes(r.lent.bytes) + ", "
                        + human_count(r.lent.expired + r.lent.orphaned)
                        + " taken back, " + human_count(r.lent.refused)
                        + " refused");
  for (const auto& each : r.optimizer.advices)
    facts.add(each.applied ? "changed" : "advice",
              config::escape(each.setting) + ": "
                + config::escape(each.proposed) + " for "
                + config::escape(each.present) + ": "
                + config::escape(each.reason));
}

void show_upkeep(context& ctx, const upkeep::upkeep_report& r) {
  using std::chrono::nanoseconds;
  ctx.out << '\n';
  table tasks{
    {{"upkeep (" + config::escape(r.gc.strategy) + ")", table::align::left},
     {"runs", table::align::right},
     {"found", table::align::right},
     {"unit", table::align::left},
     {"last", table::align::right},
     {"took", table::align::right},
     {"problem", table::align::left}}};
  for (const auto& each : r.tasks)
    tasks.add_row({config::escape(each.task), human_count(each.runs),
                   human_count(each.found), config::escape(each.unit),
                   human_count(each.last_found),
                   human_duration(nanoseconds{each.last_took_ns}),
                   config::escape(each.problem)});
  tasks.print(ctx.out, ctx.terminal, 0);
  ctx.out << '\n';
  table spaces{{{"namespace", table::align::left},
                {"entries", table::align::right},
                {"memory", table::align::right},
                {"policy", table::align::left},
                {"priority", table::align::left},
                {"quota", table::align::right}}};
  for (const auto& each : r.spaces)
    spaces.add_row(
      {config::escape(each.name), human_count(each.entries),
       human_bytes(each.block_bytes), config::escape(each.policy),
       config::escape(each.priority),
       each.quota_bytes == 0 ? "none" : human_bytes(each.quota_bytes)});
  spaces.print(ctx.out, ctx.terminal, 0);
}

} // namespace neuroplex::cli
