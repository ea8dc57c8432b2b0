#include "actors/upkeep/worker.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

namespace neuroplex::upkeep {

namespace {

class expiry_task final : public task {
public:
  explicit expiry_task(memory::store& store) : store_{store} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "expiry";
  }

  step_result step(std::uint64_t amount) override {
    step_result result;
    auto spaces = store_.namespaces();
    std::map<memory::namespace_id, memory::scan_cursor> kept;
    for (const auto& space : spaces) {
      auto cursor = cursors_[space.id];
      std::size_t removed = 0;
      auto code = store_.sweep_expired(
        space.id, cursor, static_cast<std::size_t>(amount), removed);
      result.found += removed;
      result.more = result.more || removed > amount / 4;
      // A namespace may be dropped while we look.
      if (code != errc::ok && code != errc::bad_namespace)
        result.outcome = code;
      if (code == errc::ok && !cursor.done())
        kept[space.id] = cursor;
    }
    cursors_ = std::move(kept);
    return result;
  }

private:
  memory::store& store_;
  std::map<memory::namespace_id, memory::scan_cursor> cursors_;
};

class recovery_task final : public task {
public:
  explicit recovery_task(memory::store& store) : store_{store} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "recovery";
  }

  [[nodiscard]] std::string_view unit() const noexcept override {
    return "participants";
  }

  step_result step(std::uint64_t) override {
    auto found = store_.recover();
    if (!found)
      return {.outcome = found.error()};
    return {.found = *found};
  }

private:
  memory::store& store_;
};

class compaction_task final : public task {
public:
  explicit compaction_task(memory::store& store) : store_{store} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "compaction";
  }

  [[nodiscard]] std::string_view unit() const noexcept override {
    return "bytes";
  }

  step_result step(std::uint64_t amount) override {
    auto moved = store_.compact(amount);
    if (!moved)
      return {.outcome = moved.error()};
    return {.found = moved->moved_bytes, .more = !moved->done};
  }

private:
  memory::store& store_;
};

class pressure_task final : public task {
public:
  explicit pressure_task(memory::store& store) : store_{store} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "pressure";
  }

  step_result step(std::uint64_t amount) override {
    std::size_t evicted = 0;
    auto code =
      store_.relieve_pressure(static_cast<std::size_t>(amount), evicted);
    if (code != errc::ok)
      return {.found = evicted, .outcome = code};
    return {.found = evicted, .more = evicted >= amount};
  }

private:
  memory::store& store_;
};

} // namespace

std::unique_ptr<task> make_expiry(memory::store& store) {
  return std::make_unique<expiry_task>(store);
}

std::unique_ptr<task> make_recovery(memory::store& store) {
  return std::make_unique<recovery_task>(store);
}

std::unique_ptr<task> make_compaction(memory::store& store) {
  return std::make_unique<compaction_task>(store);
}

std::unique_ptr<task> make_pressure(memory::store& store) {
  return std::make_unique<pressure_task>(store);
}

worker::worker(std::unique_ptr<task> work, settings how)
  : work_{std::move(work)} {
  report_.task = work_->name();
  report_.unit = work_->unit();
  report_.interval_ms = how.interval_ms;
  report_.step = how.step;
}

task_report worker::run(std::int64_t now_ms) {
  using clock = std::chrono::steady_clock;
  auto amount = how().step;
  auto begin = clock::now();
  auto done =
    work_ ? work_->step(amount) : step_result{.outcome = failure{errc::closed}};
  auto took_ns =
    std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now() - begin)
      .count();
  std::lock_guard guard{mutex_};
  ++report_.runs;
  report_.full_runs += done.more ? 1 : 0;
  report_.found += done.found;
  report_.last_found = done.found;
  report_.last_took_ns = took_ns;
  report_.longest_ns = std::max<std::int64_t>(report_.longest_ns, took_ns);
  report_.last_run_ms = now_ms;
  report_.more = done.more;
  report_.problem.clear();
  if (!done.outcome) {
    ++report_.failures;
    report_.problem = done.outcome.error().message();
  }
  return report_;
}

errc worker::tune(std::uint32_t interval_ms, std::uint64_t step) {
  if ((interval_ms != 0
       && (interval_ms < least_interval_ms || interval_ms > most_interval_ms))
      || step > most_step)
    return errc::bad_argument;
  std::lock_guard guard{mutex_};
  if (interval_ms != 0)
    report_.interval_ms = interval_ms;
  if (step != 0)
    report_.step = step;
  return errc::ok;
}

void worker::close() noexcept {
  work_.reset();
}

settings worker::how() const {
  std::lock_guard guard{mutex_};
  return {.interval_ms = report_.interval_ms, .step = report_.step};
}

task_report worker::report() const {
  std::lock_guard guard{mutex_};
  return report_;
}

pressure_report pressure_of(double share, std::uint32_t threshold_percent) {
  constexpr double nearly_full = 0.97;
  pressure_report result;
  result.permille = static_cast<std::uint32_t>(
    std::lround(std::clamp(share, 0.0, 1.0) * 1'000));
  result.threshold_percent = threshold_percent;
  auto threshold = static_cast<double>(threshold_percent) / 100;
  if (share >= std::max(nearly_full, threshold))
    result.level = pressure_level::critical;
  else if (share >= threshold)
    result.level = pressure_level::high;
  else if (share >= threshold * 4 / 5)
    result.level = pressure_level::raised;
  return result;
}

} // namespace neuroplex::upkeep
