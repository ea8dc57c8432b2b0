#include "actors/upkeep/info_lines.hpp"

namespace neuroplex::upkeep {

std::vector<std::pair<std::string, std::string>>
info_lines(const upkeep_report& report) {
  using std::to_string;
  std::vector<std::pair<std::string, std::string>> lines{
    {"pressure_level", upkeep::to_string(report.pressure.level)},
    {"pressure_permille", to_string(report.pressure.permille)},
    {"gc_strategy", report.gc.strategy},
    {"optimizer_mode", report.optimizer.mode},
    {"optimizer_looks", to_string(report.optimizer.looks)},
    {"optimizer_applied", to_string(report.optimizer.applied)},
    {"optimizer_advice", to_string(report.optimizer.advices.size())},
    {"lent_blocks", to_string(report.lent.blocks)},
    {"lent_bytes", to_string(report.lent.bytes)},
  };
  for (const auto& each : report.tasks)
    lines.emplace_back(
      each.task,
      "runs=" + to_string(each.runs) + ",found=" + to_string(each.found)
        + ",failures=" + to_string(each.failures) + ",interval_ms="
        + to_string(each.interval_ms) + ",step=" + to_string(each.step)
        + ",last_run_ms=" + to_string(each.last_run_ms));
  return lines;
}

} // namespace neuroplex::upkeep
