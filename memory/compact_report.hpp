// What compaction did and how the memory of a segment is used, for people and
// for programs: the answers of store::compact, defragment, utilization,
// memory_pressure and optimize.
//
// Figures are taken from counters while others go on writing: exact when nobody
// writes, else of about one moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::memory {

/// What one call moved and won.
struct compaction_result {
  std::uint64_t moved_entries = 0;
  std::uint64_t moved_bytes = 0;
  std::uint64_t expired_entries = 0; ///< met on the way and removed
  std::uint64_t freed_bytes = 0;     ///< emptied spans, as free pages
  bool done = false; ///< nothing more pays at present; call again later

  /// One line.
  [[nodiscard]] std::string to_string() const;
};

/// Blocks of one size.
struct class_utilization {
  std::uint32_t block_bytes = 0;
  std::uint32_t spans = 0;
  std::uint64_t span_bytes = 0;  ///< pages of all its spans
  std::uint64_t used_blocks = 0; ///< live, or kept ready by threads
  std::uint64_t free_blocks = 0;

  /// Share of its pages that no block in use lies on.
  [[nodiscard]] double fragmentation() const noexcept;
};

struct utilization_report {
  std::uint64_t segment_bytes = 0;    ///< committed, index and records included
  std::uint64_t pool_bytes = 0;       ///< of it for blocks
  std::uint64_t pool_used_bytes = 0;  ///< pages in use
  std::uint64_t live_block_bytes = 0; ///< blocks of live entries
  std::uint64_t entries = 0;
  std::uint64_t large_blocks = 0; ///< that have whole pages to themselves
  std::uint64_t large_bytes = 0;
  std::uint64_t largest_free_run_bytes = 0; ///< free pages in a row
  std::uint64_t reclaimable_bytes = 0;    ///< what compaction could free, about
  std::vector<class_utilization> classes; ///< those that have a span

  /// Live bytes over bytes of the segment.
  [[nodiscard]] double utilization() const noexcept;

  /// 1 - live bytes / bytes of pages in use; 0 when none is.
  [[nodiscard]] double fragmentation() const noexcept;

  /// A heading line, then one for each class.
  [[nodiscard]] std::string to_string() const;
};

/// What `defragment` made of the segment.
struct defragmentation_result {
  compaction_result work;
  double fragmentation_before = 0;
  double fragmentation_after = 0;
  std::uint64_t largest_free_run_before = 0; ///< bytes
  std::uint64_t largest_free_run_after = 0;

  [[nodiscard]] std::string to_string() const;
};

enum class pressure_level : std::uint8_t { low, elevated, high, critical };

/// How near the pool is to its end, and what compaction should do about it.
struct pressure_report {
  pressure_level level = pressure_level::low;
  double used = 0; ///< pages in use over all the pool may have
  double live = 0; ///< live bytes over the same
  double fragmentation = 0;
  std::uint64_t free_bytes = 0; ///< free pages, and what may still be committed
  std::uint64_t reclaimable_bytes = 0;
  /// Bytes that each further step of compaction should move; 0: it does not
  /// pay at present.
  std::uint64_t advised_step_bytes = 0;

  [[nodiscard]] std::string to_string() const;
};

/// What `optimize` did, and what it cannot do by itself.
struct optimization_result {
  std::uint64_t dead_threads = 0;    ///< cleaned up after
  std::uint64_t expired_entries = 0; ///< removed
  defragmentation_result memory;
  std::vector<std::string> advice; ///< sentences for whoever sets options

  [[nodiscard]] std::string to_string() const;
};

/// Share of pages in use from which on pressure is elevated (the seed's
/// threshold), high and critical.
inline constexpr double elevated_pressure = 0.85;
inline constexpr double high_pressure = 0.92;
inline constexpr double critical_pressure = 0.97;

[[nodiscard]] pressure_level pressure_of(double used) noexcept;
[[nodiscard]] const char* to_string(pressure_level level) noexcept;

/// Bytes a step of compaction should move: nothing while it would win less than
/// a hundredth of the pool, and the more the less is left.
[[nodiscard]] std::uint64_t advised_step(pressure_level level,
                                         std::uint64_t reclaimable_bytes,
                                         std::uint64_t pool_bytes) noexcept;

} // namespace neuroplex::memory
