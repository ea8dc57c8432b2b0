#include "actors/upkeep/optimizer.hpp"

#include "actors/upkeep/worker.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::upkeep {

namespace {

using memory::policy_kind;

// A worker that left work undone in at least this share of its steps (percent)
// does not keep up; fewer steps than that say nothing.
constexpr std::uint64_t busy_percent = 50;
constexpr std::uint64_t least_runs = 8;

// Steps and intervals are changed by this factor, and not beyond these.
constexpr std::uint64_t factor = 2;
constexpr std::uint64_t most_eviction_batch = 4'096;
constexpr std::uint64_t most_expiry_batch = 65'536;
constexpr std::uint64_t most_compaction_step = std::uint64_t{1} << 20;

// Memory in spans over memory in entries, in percent, that is too much, and the
// least of it that is worth the trouble.
constexpr std::uint64_t scattered_percent = 125;
constexpr std::uint64_t least_scattered_bytes = std::uint64_t{1} << 20;

constexpr std::uint64_t quota_percent = 95;

struct setting_row {
  std::string_view name;
  task_setting means;
};

constexpr std::array setting_rows{
  setting_row{"upkeep.eviction_batch", {"pressure", false}},
  setting_row{"upkeep.pressure_interval_ms", {"pressure", true}},
  setting_row{"upkeep.expiry_batch", {"expiry", false}},
  setting_row{"upkeep.expiry_interval_ms", {"expiry", true}},
  setting_row{"upkeep.compaction_step_bytes", {"compaction", false}},
  setting_row{"upkeep.compaction_interval_ms", {"compaction", true}},
};

struct step_rule {
  std::string_view task;
  std::string_view setting;
  std::uint64_t most;
  std::string_view what;
};

constexpr std::array step_rules{
  step_rule{"pressure", "upkeep.eviction_batch", most_eviction_batch,
            "gave up as many entries as it may"},
  step_rule{"expiry", "upkeep.expiry_batch", most_expiry_batch,
            "found more than a quarter expired"},
};

std::string percent_text(std::uint64_t part, std::uint64_t whole) {
  return std::to_string(whole == 0 ? 0 : part * 100 / whole) + " %";
}

std::string space_setting(const memory::namespace_info& space,
                          std::string_view key) {
  return "namespaces." + space.name + "." + std::string{key};
}

} // namespace

std::optional<task_setting> task_setting_of(std::string_view setting) noexcept {
  for (const auto& row : setting_rows)
    if (row.name == setting)
      return row.means;
  return std::nullopt;
}

void optimizer::about_pressure(const picture& now,
                               std::vector<advice>& into) const {
  if (now.pressure.level < pressure_level::high)
    return;
  auto share = std::to_string(now.pressure.permille / 10) + " % of the pool";
  auto evicts =
    std::any_of(now.spaces.begin(), now.spaces.end(), [](const auto& space) {
      return space.settings.policy != policy_kind::noeviction
             && space.entries > 0;
    });
  auto largest = std::max_element(
    now.spaces.begin(), now.spaces.end(),
    [](const auto& a, const auto& b) { return a.block_bytes < b.block_bytes; });
  if (!evicts && largest != now.spaces.end())
    into.push_back({.setting = space_setting(*largest, "policy"),
                    .present = "noeviction",
                    .proposed = "lru",
                    .reason = "entries take " + share
                              + " and no namespace gives any up: writes will "
                                "be refused; this one is the largest"});
  auto& stats = now.stats;
  if (stats.reserved_bytes <= stats.segment_bytes)
    into.push_back(
      {.setting = "segment.reserved_bytes",
       .present = std::to_string(stats.reserved_bytes),
       .proposed = std::to_string(
         std::min(stats.segment_bytes * factor, limits::max_segment_bytes)),
       .reason = "entries take " + share
                 + " and the segment cannot grow: of use for a new segment"});
}

void optimizer::about_spaces(const picture& now,
                             std::vector<advice>& into) const {
  for (const auto& space : now.spaces) {
    auto quota = space.settings.quota_bytes;
    if (quota == 0 || space.settings.policy != policy_kind::noeviction
        || space.block_bytes < quota / 100 * quota_percent)
      continue;
    into.push_back({.setting = space_setting(space, "quota_bytes"),
                    .present = std::to_string(quota),
                    .proposed = std::to_string(quota * factor),
                    .reason = "it holds "
                              + percent_text(space.block_bytes, quota)
                              + " of its quota and gives nothing up: writes "
                                "will be refused"});
  }
}

void optimizer::about_tasks(const picture& now,
                            std::vector<advice>& into) const {
  if (!before_)
    return;
  for (const auto& rule : step_rules) {
    auto present = std::find_if(
      now.tasks.begin(), now.tasks.end(),
      [&rule](const auto& each) { return each.task == rule.task; });
    auto past = before_->tasks.find(rule.task);
    if (present == now.tasks.end() || past == before_->tasks.end()
        || present->step >= rule.most)
      continue;
    auto runs = present->runs - past->second.runs;
    auto full = present->full_runs - past->second.full_runs;
    if (runs < least_runs || full * 100 < runs * busy_percent)
      continue;
    into.push_back(
      {.setting = std::string{rule.setting},
       .present = std::to_string(present->step),
       .proposed = std::to_string(std::min(present->step * factor, rule.most)),
       .reason = percent_text(full, runs) + " of the last "
                 + std::to_string(runs) + " steps of " + present->task + " "
                 + std::string{rule.what},
       .safe = true});
  }
}

void optimizer::about_fragmentation(const picture& now,
                                    std::vector<advice>& into) const {
  auto compaction =
    std::find_if(now.tasks.begin(), now.tasks.end(),
                 [](const auto& each) { return each.task == "compaction"; });
  const auto& stats = now.stats;
  if (compaction == now.tasks.end() || compaction->step >= most_compaction_step
      || stats.pool_used_bytes < stats.live_block_bytes
      || stats.pool_used_bytes - stats.live_block_bytes < least_scattered_bytes
      || stats.pool_used_bytes / scattered_percent * 100
           < stats.live_block_bytes)
    return;
  into.push_back(
    {.setting = "upkeep.compaction_step_bytes",
     .present = std::to_string(compaction->step),
     .proposed = std::to_string(
       std::min(compaction->step * factor, most_compaction_step)),
     .reason = "entries take "
               + percent_text(stats.live_block_bytes, stats.pool_used_bytes)
               + " of the memory in use: it lies scattered",
     .safe = true});
}

void optimizer::about_damage(const picture& now,
                             std::vector<advice>& into) const {
  auto damage = [](const memory::store_stats& at) {
    return at.corrupt_reads + at.damage;
  };
  auto before = before_ ? damage(before_->stats) : 0;
  auto met = damage(now.stats);
  if (met > before)
    into.push_back(
      {.setting = "upkeep.backup_dir",
       .present = "",
       .proposed = "a directory on another disk",
       .reason =
         std::to_string(met - before)
         + " times damage was met in the segment: look with \"neuroplex attach "
           "FILE verify\""});
}

std::vector<advice> optimizer::look(const picture& now) {
  std::vector<advice> result;
  about_pressure(now, result);
  about_spaces(now, result);
  about_tasks(now, result);
  about_fragmentation(now, result);
  about_damage(now, result);
  past seen;
  seen.stats = now.stats;
  for (const auto& each : now.tasks)
    seen.tasks[each.task] = each;
  before_ = std::move(seen);
  return result;
}

} // namespace neuroplex::upkeep
