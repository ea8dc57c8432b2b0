#include "actors/upkeep/parts.hpp"

#include "actors/upkeep/backup_task.hpp"

#include <charconv>
#include <utility>

namespace neuroplex::upkeep {

namespace {

using config::optimizer_mode;

// Written in one step of a backup.
constexpr std::uint64_t backup_step_bytes = std::uint64_t{1} << 20;

expected<void> set_up(memory::store& store,
                      const config::namespace_options& wanted) {
  auto id = store.open_namespace(wanted.name);
  if (!id)
    return id.error();
  auto present = store.settings(*id);
  if (!present)
    return present.error();
  auto settings = *present;
  settings.policy = wanted.settings.policy;
  settings.priority = wanted.settings.priority;
  settings.quota_bytes = wanted.settings.quota_bytes;
  settings.default_ttl_ms = wanted.settings.default_ttl_ms;
  settings.compression = wanted.settings.compression;
  settings.share_from = wanted.settings.share_from;
  return *present == settings ? expected<void>{}
                              : store.configure(*id, settings);
}

} // namespace

std::optional<optimizer_mode>
parse_optimizer_mode(std::string_view name) noexcept {
  for (auto each :
       {optimizer_mode::off, optimizer_mode::advise, optimizer_mode::apply})
    if (config::to_string(each) == name)
      return each;
  return std::nullopt;
}

expected<std::shared_ptr<parts>>
parts::make(memory::store& store, const config::node_options& options) {
  if (auto set = store.set_eviction_percent(options.upkeep.eviction_percent);
      !set)
    return set.error();
  for (const auto& wanted : options.namespaces)
    if (auto set = set_up(store, wanted); !set)
      return failure{set.code(), "namespaces: " + wanted.name + ": "
                                   + set.error().message()};
  return std::make_shared<parts>(store, options.upkeep);
}

parts::parts(memory::store& store, const config::upkeep_options& options)
  : store_{store}, plan_{options.gc}, loans_{store},
    look_interval_ms_{options.optimizer_interval_ms}, mode_{options.optimizer} {
  auto add = [this](std::unique_ptr<task> work, settings how) {
    std::string name{work->name()};
    workers_[name] = std::make_shared<worker>(std::move(work), how);
  };
  add(make_recovery(store),
      {.interval_ms = options.recovery_interval_ms, .step = 1});
  add(make_expiry(store), {.interval_ms = options.expiry_interval_ms,
                           .step = options.expiry_batch});
  add(make_pressure(store), {.interval_ms = options.pressure_interval_ms,
                             .step = options.eviction_batch});
  add(make_compaction(store), {.interval_ms = options.compaction_interval_ms,
                               .step = options.compaction_step_bytes});
  if (!options.backup_dir.empty())
    add(make_backup(store, options.backup_dir),
        {.interval_ms = options.backup_interval_ms, .step = backup_step_bytes});
  advices_.mode = config::to_string(mode_);
}

std::shared_ptr<worker> parts::find(std::string_view name) const {
  auto found = workers_.find(name);
  return found == workers_.end() ? nullptr : found->second;
}

pressure_report parts::pressure() const {
  return pressure_of(store_.pressure(), store_.eviction_percent());
}

bool parts::apply(const advice& what) {
  auto means = task_setting_of(what.setting);
  if (!means)
    return false;
  auto target = find(means->task);
  std::uint64_t value = 0;
  const auto* end = what.proposed.data() + what.proposed.size();
  if (!target
      || std::from_chars(what.proposed.data(), end, value).ec != std::errc{})
    return false;
  auto code = means->interval
                ? target->tune(static_cast<std::uint32_t>(value), 0)
                : target->tune(0, value);
  return code == errc::ok;
}

optimizer_report parts::look() {
  {
    std::lock_guard guard{mutex_};
    if (mode_ == optimizer_mode::off)
      return advices_;
  }
  picture now;
  now.stats = store_.stats();
  now.spaces = store_.namespaces();
  now.pressure = pressure();
  for (const auto& [name, each] : workers_)
    now.tasks.push_back(each->report());
  std::lock_guard guard{mutex_};
  advices_.advices = optimizer_.look(now);
  ++advices_.looks;
  if (mode_ == optimizer_mode::apply)
    for (auto& each : advices_.advices)
      if (each.safe && apply(each)) {
        each.applied = true;
        ++advices_.applied;
      }
  return advices_;
}

void parts::set_mode(optimizer_mode mode) {
  std::lock_guard guard{mutex_};
  mode_ = mode;
  advices_.mode = config::to_string(mode);
  if (mode == optimizer_mode::off)
    advices_.advices.clear();
}

optimizer_report parts::advice_so_far() const {
  std::lock_guard guard{mutex_};
  return advices_;
}

void parts::close() noexcept {
  loans_.close();
  for (auto& [name, each] : workers_)
    each->close();
}

upkeep_report parts::report() const {
  upkeep_report result;
  result.pressure = pressure();
  for (const auto& [name, each] : workers_)
    result.tasks.push_back(each->report());
  result.gc = plan_.report();
  result.optimizer = advice_so_far();
  result.lent = loans_.lent();
  for (const auto& space : store_.namespaces())
    result.spaces.push_back(
      {.name = space.name,
       .policy = std::string{to_string(space.settings.policy)},
       .priority = std::string{to_string(space.settings.priority)},
       .entries = space.entries,
       .block_bytes = space.block_bytes,
       .quota_bytes = space.settings.quota_bytes,
       .default_ttl_ms = space.settings.default_ttl_ms,
       .share_from = space.settings.share_from,
       .shared_bytes = space.shared_bytes,
       .content_block_bytes = space.content_block_bytes});
  return result;
}

} // namespace neuroplex::upkeep
