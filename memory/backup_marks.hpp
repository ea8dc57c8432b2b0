// Which parts of a segment changed since they were last backed up.
//
// Purpose: what a writer pays so that a backup costs what changed, not what is
// there. The range of hashes is cut into regions, one for each line of the
// first index table, and each has a mark, a byte that is 1 after a change.
// Regions are ranges of hashes and know nothing of the table that is open, so
// an index that doubles leaves them as they are.
//
// Orderings. A writer changes the slot, then looks at the mark (`note_change`).
// A backup takes the mark away, then looks at the slots (`take_mark`). Both are
// sequentially consistent, so at least one sees the other: the backup the
// change, or the writer that there is no mark (any more) and sets it for the
// next backup. On x86-64 the compare-and-swap before it is barrier enough, and
// the mark costs a load and a branch; it is stored only when it is not set.
//
// Crash safety. The mark is set while the intent of the change stands, so a
// writer that dies before it set the mark is found with its intent, and
// recovery marks what the slot's group may belong to.
//
// Threads: all. A mark too many is harmless, a mark too few loses a change.
#pragma once

#include "memory/arena.hpp"
#include "memory/hash.hpp"

#include <algorithm>
#include <cstdint>

namespace neuroplex::memory {

/// Backup region of a hash.
template <class Sync>
NEUROPLEX_INLINE std::uint32_t region_of(const basic_arena<Sync>& arena,
                                         std::uint64_t hash) noexcept {
  return static_cast<std::uint32_t>(
    line_of(hash, arena.shape().backup_regions));
}

/// After an entry of `hash` was published, replaced or removed, and before the
/// intent to do so is withdrawn.
template <class Sync>
NEUROPLEX_INLINE void note_change(const basic_arena<Sync>& arena,
                                  std::uint64_t hash) noexcept {
  auto& mark = arena.mark(region_of(arena, hash));
  // seq_cst: after the change of the slot; pairs with the exchange in
  // take_mark. Release: whoever takes the mark away sees the change.
  if (mark.load(std::memory_order_seq_cst) == 0) [[unlikely]]
    mark.store(1, std::memory_order_release);
}

/// Takes a region's mark away; answers whether it was set. What is read of the
/// region from now on has every change that was marked.
template <class Sync>
[[nodiscard]] bool take_mark(const basic_arena<Sync>& arena,
                             std::uint32_t region) noexcept {
  // seq_cst: before the slots are read; pairs with the load in note_change.
  return arena.mark(region).exchange(0, std::memory_order_seq_cst) != 0;
}

/// Marks all that entries in the group of `line` of the table of `level` may
/// belong to: a dead thread meant to change one of them.
template <class Sync>
void note_change_in_group(const basic_arena<Sync>& arena, unsigned level,
                          std::uint64_t line) noexcept {
  auto lines = arena.lines(level);
  std::uint64_t regions = arena.shape().backup_regions;
  auto begin = line / layout::lines_per_group * layout::lines_per_group;
  // Lines and regions are fractions of the same range. 2^32 lines at most, so
  // the products fit.
  auto first = begin * regions / lines;
  auto last =
    std::min((begin + layout::lines_per_group) * regions / lines, regions - 1);
  for (auto region = first; region <= last; ++region)
    arena.mark(static_cast<std::uint32_t>(region))
      .store(1, std::memory_order_seq_cst);
}

} // namespace neuroplex::memory
