// One kind of upkeep: what a step of it is, how it is set, what it has done.
//
// Purpose: the part of expiry, recovery, pressure, compaction and backup that
// needs no actor. A `task` does one bounded step; a `worker` runs it, times it
// and keeps the books, and outlives the actor that drives it, so that settings
// and figures survive the actor's restart.
//
// Ownership: tasks refer to a store that outlives them. Threads: one thread at
// a time runs a worker; `tune`, `settings` and `report` may be called by any.
//
// Failure behaviour: a step that fails is counted, its reason is kept for the
// report, and the next one is tried in its time.
#pragma once

#include "actors/upkeep/report.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace neuroplex::upkeep {

struct step_result {
  std::uint64_t found = 0;     ///< removed, moved, written
  bool more = false;           ///< there is more to do at once
  expected<void> outcome = {}; ///< why the step failed
};

class task {
public:
  virtual ~task() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// What a step's amount counts.
  [[nodiscard]] virtual std::string_view unit() const noexcept {
    return "entries";
  }

  /// At most about `amount` of work.
  virtual step_result step(std::uint64_t amount) = 0;
};

/// Removes expired entries, namespace after namespace. More is to be done when
/// a quarter of what it looked at had expired.
[[nodiscard]] std::unique_ptr<task> make_expiry(memory::store& store);

/// Cleans up after dead participants.
[[nodiscard]] std::unique_ptr<task> make_recovery(memory::store& store);

/// Moves entries together, about `amount` bytes a step; more is to be done
/// while it pays.
[[nodiscard]] std::unique_ptr<task> make_compaction(memory::store& store);

/// Gives entries up while the pool is fuller than the threshold.
[[nodiscard]] std::unique_ptr<task> make_pressure(memory::store& store);

struct settings {
  std::uint32_t interval_ms = 200;
  std::uint64_t step = 1;

  friend bool operator==(const settings&, const settings&) = default;
};

/// Bounds of the settings, whoever sets them.
inline constexpr std::uint32_t least_interval_ms = 10;
inline constexpr std::uint32_t most_interval_ms = 3'600'000;
inline constexpr std::uint64_t most_step = std::uint64_t{1} << 30;

class worker {
public:
  worker(std::unique_ptr<task> work, settings how);

  /// One step; `now_ms` is the Unix time in milliseconds.
  task_report run(std::int64_t now_ms);

  /// Changes what is not 0. `bad_argument` when out of bounds; then nothing
  /// has changed.
  errc tune(std::uint32_t interval_ms, std::uint64_t step);

  /// Lets go of the store; later steps fail. Nobody may be inside `run`.
  void close() noexcept;

  [[nodiscard]] settings how() const;
  [[nodiscard]] task_report report() const;

private:
  std::unique_ptr<task> work_;
  mutable std::mutex mutex_; // for the report
  task_report report_;
};

} // namespace neuroplex::upkeep
