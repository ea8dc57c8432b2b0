// Raw memory of a segment, for who wants memory rather than keys.
//
// Purpose: lends blocks of the store's pool that every attached process can map
// by three numbers. Their content is the borrowers' own affair: no key, no
// checksum, no eviction, no backup, and nothing moves them.
//
// Ownership: a `raw_blocks` refers to a store, which must outlive it. The
// blocks belong to it: its destructor takes them all back, and when its process
// dies, whoever recovers the dead does. Threads: any; calls wait for each other
// for a microsecond or so.
//
// How: a block that is lent is in state held, like one in a magazine, by a
// thread slot of its own that no thread uses. It hangs on that slot's list of
// retired blocks, so that recovery finds it there. On its way to and from the
// list it is named in the slot's `pending`.
//
// Invariants:
//  1. A block is lent once, and its memory is not used otherwise until it is
//     given back.
//  2. A handle of a block that was given back maps nothing, however often its
//     memory was lent since.
//
// Failure behaviour: `errc`; nothing has changed then.
#pragma once

#include "memory/store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace neuroplex::memory {

/// Names a block in its segment, in all processes.
struct raw_block {
  std::uint64_t offset = 0; ///< of the first byte, from the segment's begin
  std::uint64_t bytes = 0;  ///< asked for
  std::uint64_t token = 0;  ///< of this lending

  friend bool operator==(const raw_block&, const raw_block&) = default;
};

/// Blocks that one `raw_blocks` lends at a time.
inline constexpr std::size_t max_raw_blocks = 4'096;

class raw_blocks {
public:
  /// `read_only`, `too_many` threads, `closed`.
  static expected<raw_blocks> make(store& owner);

  raw_blocks(raw_blocks&&) noexcept;
  raw_blocks& operator=(raw_blocks&&) noexcept;
  ~raw_blocks();

  /// Lends `bytes` of memory, aligned to 8; its content is anything.
  /// `value_size` for 0 or more than the longest value, `too_many`, `no_space`.
  errc allocate(std::uint64_t bytes, raw_block& result);

  /// Takes a block back. `not_found` when it is not lent.
  errc deallocate(const raw_block& block);

  /// Blocks lent now.
  [[nodiscard]] std::size_t count() const noexcept;

private:
  class implementation;

  explicit raw_blocks(std::unique_ptr<implementation> inside) noexcept;

  std::unique_ptr<implementation> inside_;
};

/// The block's memory in this process; `where` must be attached for writing.
/// Good until the block is given back, which its lender tells. `not_found` when
/// it is not lent any more, `bad_argument` when there can be no such block.
errc map_raw_block(store& where, const raw_block& block,
                   std::span<std::byte>& memory);

} // namespace neuroplex::memory
