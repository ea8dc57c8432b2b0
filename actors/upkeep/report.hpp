// What upkeep has done, as plain values that travel in reports.
//
// Threads: plain values.
#pragma once

#include "memory/latency_recorder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::upkeep {

/// One kind of upkeep: how it is set, all it has done, and what it did last.
struct task_report {
  std::string task{};            ///< "expiry"
  std::uint32_t interval_ms = 0; ///< between steps when there is little to do
  std::uint64_t step = 0;        ///< most that one step does, in `unit`
  std::string unit{};            ///< "entries", "bytes"
  std::uint64_t runs = 0;
  std::uint64_t full_runs = 0; ///< that left work undone
  std::uint64_t failures = 0;
  std::uint64_t found = 0; ///< removed, moved or written, over all runs
  std::uint64_t last_found = 0;
  std::int64_t last_took_ns = 0;
  std::int64_t longest_ns = 0;
  std::int64_t last_run_ms = 0; ///< Unix time; 0: never
  bool more = false;            ///< the last step left work undone
  std::string problem{};        ///< why the last step failed; empty: it did not
};

/// How full the pool is, in words for a person or a load balancer.
enum class pressure_level : std::uint8_t {
  low,      ///< less than four fifths of the threshold
  raised,   ///< near the threshold
  high,     ///< above it: entries are given up where that is allowed
  critical, ///< nearly nothing is left: writes may be refused
};

inline constexpr std::uint8_t pressure_level_count = 4;

struct pressure_report {
  std::uint32_t permille = 0; ///< of the pool, as far as it may grow
  std::uint32_t threshold_percent = 0;
  pressure_level level = pressure_level::low;
};

/// One thing that upkeep decides by itself, and when it comes next.
struct chore_report {
  std::string chore; ///< "recovery", "expiry", "compaction"
  std::uint32_t interval_ms = 0;
  std::int64_t due_ms = 0; ///< Unix time; 0: not by itself
  bool running = false;
};

struct gc_report {
  std::string strategy; ///< as config::to_string
  std::vector<chore_report> chores;
};

/// One setting that would serve better.
struct advice {
  std::string
    setting; ///< "upkeep.expiry_interval_ms", "namespaces.cache.policy"
  std::string present;
  std::string proposed;
  std::string reason;
  bool safe = false;    ///< loses nothing: may be applied unasked
  bool applied = false; ///< it was
};

struct optimizer_report {
  std::string mode; ///< as config::to_string
  std::uint64_t looks = 0;
  std::uint64_t applied = 0;
  std::vector<advice> advices; ///< of the last look
};

/// A namespace of the segment, as reports show it.
struct space_report {
  std::string name;
  std::string policy;
  std::string priority;
  std::uint64_t entries = 0;
  std::uint64_t block_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::int64_t default_ttl_ms = 0;
  std::uint32_t share_from = 0;
  std::uint64_t shared_bytes = 0;        ///< of values that are stored once
  std::uint64_t content_block_bytes = 0; ///< what these take
};

/// Raw memory lent out.
struct pool_report {
  std::uint64_t blocks = 0;     ///< lent now
  std::uint64_t bytes = 0;      ///< asked for in these
  std::uint64_t pool_bytes = 0; ///< of the whole pool, committed
  std::uint64_t used_bytes = 0; ///< in spans with at least one block
  std::uint64_t live_bytes = 0; ///< in entries
  std::uint64_t allocated = 0;  ///< blocks ever lent
  std::uint64_t returned = 0;
  std::uint64_t expired = 0;  ///< leases that ended by time
  std::uint64_t orphaned = 0; ///< leases that ended with their holder
  std::uint64_t refused = 0;
};

/// Everything together.
struct upkeep_report {
  pressure_report pressure;
  std::vector<task_report> tasks;
  gc_report gc;
  optimizer_report optimizer;
  std::vector<space_report> spaces;
  pool_report lent; ///< without figures of the pool, which the segment tells
};

/// How long calls took inside the pool, in nanoseconds.
struct performance_report {
  memory::latency_summary allocate;
  memory::latency_summary deallocate;
};

[[nodiscard]] constexpr const char* to_string(pressure_level level) noexcept {
  switch (level) {
    case pressure_level::low:
      return "low";
    case pressure_level::raised:
      return "raised";
    case pressure_level::high:
      return "high";
    case pressure_level::critical:
      return "critical";
  }
  return "unknown";
}

/// What a share of the pool means under a threshold.
[[nodiscard]] pressure_report pressure_of(double share,
                                          std::uint32_t threshold_percent);

} // namespace neuroplex::upkeep
