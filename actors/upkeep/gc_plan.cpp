#include "actors/upkeep/gc_plan.hpp"

#include <algorithm>

namespace neuroplex::upkeep {

namespace {

using config::gc_strategy;

constexpr std::array<std::string_view, chore_count> chore_names{
  "recovery", "expiry", "compaction"};

// With nothing planned: how long until the plan is looked at again.
constexpr std::int64_t idle_ms = 1'000;

} // namespace

std::string_view to_string(chore which) noexcept {
  return chore_names.at(static_cast<std::size_t>(which));
}

std::optional<chore> parse_chore(std::string_view name) noexcept {
  const auto* found = std::find(chore_names.begin(), chore_names.end(), name);
  if (found == chore_names.end())
    return std::nullopt;
  return static_cast<chore>(found - chore_names.begin());
}

std::optional<gc_strategy> parse_gc_strategy(std::string_view name) noexcept {
  for (auto each : {gc_strategy::adaptive, gc_strategy::incremental,
                    gc_strategy::lazy, gc_strategy::manual})
    if (config::to_string(each) == name)
      return each;
  return std::nullopt;
}

gc_plan::gc_plan(gc_strategy strategy) : strategy_{strategy} {
}

void gc_plan::set_interval(chore which, std::uint32_t interval_ms) {
  std::lock_guard guard{mutex_};
  auto& entry = entries_[static_cast<std::size_t>(which)];
  if (entry.interval_ms == interval_ms)
    return;
  entry.interval_ms = interval_ms;
  entry.slowed = 1;
  entry.due_ms = 0; // at once, and then at the new pace
}

void gc_plan::set_strategy(gc_strategy strategy) {
  std::lock_guard guard{mutex_};
  strategy_ = strategy;
  for (auto& entry : entries_) {
    entry.slowed = 1;
    entry.due_ms = 0;
  }
}

bool gc_plan::runs(chore which, bool above) const {
  if (which == chore::recovery)
    return true;
  return strategy_ == gc_strategy::adaptive
         || strategy_ == gc_strategy::incremental
         || (strategy_ == gc_strategy::lazy && above);
}

std::vector<chore> gc_plan::begin_due(std::int64_t now_ms, bool above) {
  std::lock_guard guard{mutex_};
  std::vector<chore> result;
  for (std::size_t i = 0; i < chore_count; ++i) {
    auto& entry = entries_[i];
    auto which = static_cast<chore>(i);
    if (entry.interval_ms == 0 || entry.running || entry.due_ms > now_ms)
      continue;
    if (runs(which, above)) {
      entry.running = true;
      result.push_back(which);
    } else {
      entry.due_ms = now_ms + entry.interval_ms;
    }
  }
  return result;
}

void gc_plan::finished(chore which, std::int64_t now_ms, std::uint64_t found,
                       bool more, bool above) {
  std::lock_guard guard{mutex_};
  auto& entry = entries_[static_cast<std::size_t>(which)];
  entry.running = false;
  auto adapts =
    which != chore::recovery
    && (strategy_ == gc_strategy::adaptive || strategy_ == gc_strategy::lazy);
  auto wait = entry.interval_ms;
  if (!adapts) {
    entry.slowed = 1;
  } else if (more) {
    entry.slowed = 1;
    wait = above ? 1 : std::max(entry.interval_ms / factor, 1U);
  } else {
    entry.slowed = found > 0 ? 1 : std::min(entry.slowed * 2, factor);
    wait = entry.interval_ms * entry.slowed;
  }
  entry.due_ms = now_ms + wait;
}

void gc_plan::failed(chore which, std::int64_t now_ms) {
  std::lock_guard guard{mutex_};
  auto& entry = entries_[static_cast<std::size_t>(which)];
  entry.running = false;
  entry.due_ms = now_ms + entry.interval_ms;
}

std::int64_t gc_plan::delay_ms(std::int64_t now_ms) const {
  std::lock_guard guard{mutex_};
  auto result = idle_ms;
  for (const auto& entry : entries_)
    if (entry.interval_ms != 0 && !entry.running)
      result = std::min(result, entry.due_ms - now_ms);
  return std::max<std::int64_t>(result, 1);
}

gc_report gc_plan::report() const {
  std::lock_guard guard{mutex_};
  gc_report result;
  result.strategy = config::to_string(strategy_);
  for (std::size_t i = 0; i < chore_count; ++i) {
    const auto& entry = entries_[i];
    if (entry.interval_ms == 0)
      continue;
    auto which = static_cast<chore>(i);
    result.chores.push_back({.chore = std::string{to_string(which)},
                             .interval_ms = entry.interval_ms,
                             .due_ms = runs(which, true) ? entry.due_ms : 0,
                             .running = entry.running});
  }
  return result;
}

} // namespace neuroplex::upkeep
