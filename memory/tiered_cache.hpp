// One namespace over three levels: copies in this process, the shared segment,
// and a lower tier.
//
// Purpose: reads that miss the segment come from the lower tier and stay in the
// segment; writes reach the lower tier at once (write-through) or later
// (write-back); what is read often and is worth a copy is kept in the process.
//
// What a get promises. Copies (the first level) are linearizable with all
// operations of all processes on the segment: a copy is handed out only if the
// entry it was made from is in its slot, unchanged, at a moment within the
// call. With a lower tier, get, set and erase of caches are linearizable per
// key over all processes that use caches of one mode on the same tier, as long
// as the segment has room for a marker of some 40 bytes a key that is being
// read, and, for write-back, one process at a time writes a key (any may read).
// Without room, or where markers are evicted over and over, a read answers what
// the lower tier said. What is stored into the namespace past the caches
// (store::set) is seen by all at once, but the lower tier is not told of it.
//
// Writes. Write-through: the lower tier first, then the segment. If the tier
// answers a failure nothing has changed; if it answers `unknown_outcome`, so
// does the write, and the next read asks the tier. Write-back: the segment at
// once; the entry is pinned there, so that it cannot be evicted, until `flush`
// has brought it to the tier. Pins of such a namespace belong to the caches.
// Erasing is done in the tier at once, in both modes.
//
// What a kill loses. Of write-through, nothing that was acknowledged. Of
// write-back, nothing as long as the segment lives: values that the tier lacks
// are in it, pinned, and `adopt_dirty` of the next process finds them. With the
// segment (a reboot, for one in /dev/shm) go all that were not flushed.
//
// Ownership and threads: segment and tier belong to the caller, must outlive
// the cache, and the segment's handle must stay where it is. All threads may
// use a cache. It has no thread of its own: somebody calls `flush`.
//
// Invariants:
//  1. Of the reads of a missing key in this process, one at a time asks the
//     lower tier; the others wait for it, until the deadline.
//  2. Copies, absences and dirty entries each keep to their limit.
//
// Failure behaviour: a failure of the tier is the answer of the operation that
// needed it, nothing else suffers.
#pragma once

#include "memory/lower_tier.hpp"
#include "memory/store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace neuroplex::memory {

enum class write_mode : std::uint8_t {
  through, ///< a write is in the lower tier when it returns
  back,    ///< a write is in the segment when it returns, in the tier later
};

struct tiered_options {
  /// Memory for copies in this process; 0 for none.
  std::size_t near_bytes = std::size_t{512} << 10;

  /// Shorter values are read from the segment sooner than from a copy. In
  /// namespaces that compress, copies pay from the shortest packed value on.
  std::size_t near_least_value_bytes = 1024;

  write_mode writes = write_mode::through;

  /// How long one operation may wait for the lower tier.
  std::uint32_t tier_timeout_ms = 2000;

  /// How long it is remembered that the tier has no such key; 0 for not at all.
  std::int64_t absence_ttl_ms = 1000;

  /// Keys this process has so remembered at a time, each a block in the
  /// segment.
  std::size_t most_absences = 1024;

  /// Credit of write-back: what the tier may be behind.
  std::size_t most_dirty_entries = 4096;
  std::uint64_t most_dirty_bytes = std::uint64_t{16} << 20;

  /// Requests the tier is handed at a time.
  std::size_t tier_batch = 64;

  /// `errc::config` with the field named when a value is out of range.
  [[nodiscard]] expected<void> validate() const;
};

/// Counts since the cache was made.
struct tiered_stats {
  std::uint64_t near_hits = 0;
  std::uint64_t near_stale = 0; ///< copies that another write had overtaken
  std::uint64_t near_entries = 0;
  std::uint64_t near_bytes = 0;
  std::uint64_t segment_hits = 0;
  std::uint64_t tier_hits = 0;
  std::uint64_t misses = 0;         ///< the lower tier had no such key
  std::uint64_t known_absences = 0; ///< answered without asking it
  std::uint64_t joined = 0;         ///< reads that waited for another's
  std::uint64_t overtaken = 0;      ///< answers of the tier that came too late
  std::uint64_t tier_failures = 0;
  std::uint64_t unknown_outcomes = 0;
  std::uint64_t flushed = 0;   ///< dirty entries brought to the tier
  std::uint64_t no_credit = 0; ///< writes refused with `busy`
  std::uint64_t in_flight = 0; ///< keys the tier is being asked for now
  std::uint64_t dirty_entries = 0;
  std::uint64_t dirty_bytes = 0;
};

class tiered_cache {
public:
  /// A cache over `space`, which is made if it is not there. `below` may be
  /// null: then there are two levels. `read_only`, `config`.
  static expected<tiered_cache> make(store& segment, std::string_view space,
                                     lower_tier* below,
                                     const tiered_options& options = {});

  tiered_cache(tiered_cache&&) noexcept;
  tiered_cache& operator=(tiered_cache&&) noexcept;
  ~tiered_cache();

  [[nodiscard]] namespace_id space() const noexcept;

  /// Copies the value out. As store::get; and what the tier answered.
  /// `deadline` when somebody else's read of the key took too long.
  errc get(std::string_view key, std::string& value);

  /// The same without a copy, where there is one already.
  errc get(std::string_view key, std::shared_ptr<const std::string>& value);

  /// Reads all keys; those that the segment lacks in few calls of the tier.
  errc get_many(std::span<get_request> requests);

  /// Stores the value. As store::set; `keep_ttl` is refused with
  /// `bad_argument`. With a tier also: what it answered; `busy` when write-back
  /// has no credit and a flush did not win any; `unknown_outcome`.
  errc set(std::string_view key, std::string_view value,
           const set_options& options = {});

  /// Removes the entry from all levels. ok, also if there was none. As `set`.
  errc erase(std::string_view key);

  /// Brings at most `most` dirty entries to the tier; answers how many in
  /// `flushed`. The code of a failure if any was met; what failed stays dirty.
  errc flush(std::size_t most, std::size_t& flushed);

  /// Finds dirty entries that processes left behind, and makes them this one's
  /// to flush; answers how many. `busy` when the credit does not suffice: flush
  /// and repeat. Reads the namespace.
  expected<std::size_t> adopt_dirty();

  [[nodiscard]] tiered_stats stats() const;

private:
  class impl;
  explicit tiered_cache(std::unique_ptr<impl> made) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace neuroplex::memory
