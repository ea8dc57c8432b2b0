// When recovery, expiry and compaction run: the scheduler of what a language
// runtime would call garbage collection.
//
// Purpose: decides by a strategy that can be changed while it runs.
//
//   adaptive     each at its interval; eight times as often while there is more
//                to do, as often as possible above the threshold; up to eight
//                times as seldom while there is nothing
//   incremental  each at its interval
//   lazy         expiry and compaction only from the threshold on, then as
//                adaptive
//   manual       neither by itself
//
// Recovery runs at its interval under every strategy, since what the dead hold
// is missing for all.
//
// Threads: any; one call at a time gets in. Time comes in as an argument.
//
// Invariants:
//  1. A chore is never begun again before it was finished or has failed.
//  2. Nothing is put off for longer than eight times its interval.
#pragma once

#include "actors/upkeep/report.hpp"
#include "config/node_options.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace neuroplex::upkeep {

enum class chore : std::uint8_t { recovery, expiry, compaction };

inline constexpr std::size_t chore_count = 3;

/// "recovery", "expiry", "compaction"; the names of their workers too.
[[nodiscard]] std::string_view to_string(chore which) noexcept;
[[nodiscard]] std::optional<chore> parse_chore(std::string_view name) noexcept;

/// The strategy of this name, as config::to_string spells it.
[[nodiscard]] std::optional<config::gc_strategy>
parse_gc_strategy(std::string_view name) noexcept;

class gc_plan {
public:
  explicit gc_plan(config::gc_strategy strategy);

  /// A chore that is there, and how often; 0 takes it out.
  void set_interval(chore which, std::uint32_t interval_ms);

  /// What it lets run is due at once, and then at its pace.
  void set_strategy(config::gc_strategy strategy);

  /// What is to begin now; counts as begun. `above` tells that the pool is
  /// fuller than the threshold.
  std::vector<chore> begin_due(std::int64_t now_ms, bool above);

  /// A chore that was begun has ended: what it found, and whether it left work.
  void finished(chore which, std::int64_t now_ms, std::uint64_t found,
                bool more, bool above);

  /// A chore that was begun did not end well, or nobody was there to do it.
  void failed(chore which, std::int64_t now_ms);

  /// Milliseconds until something may be due: at least 1.
  [[nodiscard]] std::int64_t delay_ms(std::int64_t now_ms) const;

  [[nodiscard]] gc_report report() const;

private:
  static constexpr std::uint32_t factor = 8;

  struct entry {
    std::uint32_t interval_ms = 0; // 0: there is none
    std::uint32_t slowed = 1;      // times the interval, 1 to `factor`
    std::int64_t due_ms = 0;
    bool running = false;
  };

  [[nodiscard]] bool runs(chore which, bool above) const;

  mutable std::mutex mutex_;
  config::gc_strategy strategy_;
  std::array<entry, chore_count> entries_{};
};

} // namespace neuroplex::upkeep
