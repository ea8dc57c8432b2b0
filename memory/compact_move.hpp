// Moving one live entry from its block into another, under readers and writers.
//
// Purpose: what compaction is made of. The copy takes the slot of the original
// by the same intent and the same compare-and-swap as an overwrite
// (engine.hpp), so a mover that dies at any instruction leaves what an
// overwrite leaves, and recovery.hpp finishes or undoes it without knowing that
// it was a move.
//
// Threads: all. The caller's context holds neither an intent nor a block in
// transit.
//
// Invariants:
//  1. An entry stays in its slot; only the block that the slot names changes.
//     So whoever walks the index sees it once, and an erase that came first is
//     never undone.
//  2. The copy is bytes for bytes the original, its checksum included: damage
//     moves along and is found by the next reader.
//  3. A pinned original keeps its bytes: it waits on the mover's retired list.
//
// Failure behaviour: whatever stands in the way leaves the entry where it is.
#pragma once

#include "memory/engine.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace neuroplex::memory {

enum class move_outcome : std::uint8_t {
  moved,   ///< lives in another block now
  expired, ///< had expired and was removed
  gone,    ///< the block is free
  kept,    ///< not a published entry now, or somebody is at work on it
  no_room, ///< there is no block to move it to
};

template <class Sync>
class basic_mover {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using state = layout::block_state;

  explicit basic_mover(engine_type& engine) noexcept : engine_{engine} {
  }

  /// Moves the entry in the block of `granule` to wherever the pool has room.
  [[nodiscard]] move_outcome move_one(context& self, std::uint32_t granule) {
    return move(self, granule, [&](std::uint64_t bytes) {
      return engine_.pool().allocate(self, bytes);
    });
  }

  /// The same, into a block that `take(bytes)` hands out: held by the thread
  /// and named in its `pending`, or 0.
  template <class Take>
  [[nodiscard]] move_outcome move(context& self, std::uint32_t granule,
                                  Take&& take) {
    for (unsigned round = 0; round < max_rounds; ++round) {
      sighting seen;
      auto outcome = locate(self, granule, seen);
      if (outcome == look::again) {
        Sync::pause(round);
        continue;
      }
      if (outcome != look::here)
        return outcome == look::free ? move_outcome::gone : move_outcome::kept;
      if (seen.where.fields.counted())
        return move_outcome::kept; // a count stays where it is
      auto expires = engine_.expiry_of(seen.where);
      if (expires != 0 && expires <= unix_time_ms()) {
        if (!engine_.try_erase(self, seen.where, seen.hash))
          continue;
        bump(self.slot->expired, 1U);
        return move_outcome::expired;
      }
      auto fresh = take(seen.where.fields.total_bytes());
      if (fresh == 0)
        return move_outcome::no_room;
      copy(seen.where, fresh);
      if (engine_.index().unchanged(seen.at, seen.where)
          && engine_.try_replace(self, seen.where, fresh, seen.hash)
               == errc::ok) {
        moved_bytes_ = seen.where.fields.total_bytes();
        return move_outcome::moved;
      }
      engine_.pool().give_back(self, fresh);
      Sync::pause(round);
    }
    return move_outcome::kept;
  }

  /// Bytes of the entry that was moved last.
  [[nodiscard]] std::uint64_t moved_bytes() const noexcept {
    return moved_bytes_;
  }

private:
  /// Somebody else at work on the entry may take it; nothing hangs on a move.
  static constexpr unsigned max_rounds = 4;

  struct sighting {
    home at;
    location where;
    std::uint64_t hash = 0;
  };

  enum class look : std::uint8_t { here, free, other, again };

  /// Finds the slot that names the block, from the key in it.
  look locate(context& self, std::uint32_t granule, sighting& seen) {
    const auto& arena = engine_.arena();
    auto& index = engine_.index();
    location block;
    block.raw = granule;
    block.block = arena.block(granule);
    if (block.block == nullptr)
      return look::free;
    block.word = block.block->word.load(std::memory_order_acquire);
    if (layout::state_of(block.word) != state::live)
      return layout::state_of(block.word) == state::free ? look::free
                                                         : look::other;
    if (!index.read_fields(block) || block.fields.key_bytes() == 0)
      return block.block->word.load(std::memory_order_acquire) == block.word
               ? look::other // scribbled over
               : look::again;
    key_.resize(block.fields.key_bytes());
    Sync::read(key_.data(), block.payload(), key_.size());
    Sync::after_read();
    if (block.block->word.load(std::memory_order_acquire) != block.word)
      return look::again;
    auto ns = block.fields.ns();
    seen.hash = hash_key(ns, key_);
    seen.at = index.writable_home(self, seen.hash);
    switch (index.find(seen.at, seen.hash, ns, key_, seen.where)) {
      case lookup::absent:
        return look::other; // on its way into its slot, or out of it
      case lookup::retry:
        return look::again;
      case lookup::found:
        break;
    }
    return seen.where.granule() == granule ? look::here : look::other;
  }

  /// Copies what belongs to the entry but its stamp, which goes along with the
  /// change of the slot.
  void copy(const location& from, std::uint32_t granule) noexcept {
    auto* to = reinterpret_cast<std::byte*>(engine_.arena().block(granule));
    auto* source = reinterpret_cast<const std::byte*>(from.block);
    Sync::before_write();
    Sync::write(to + layout::entry_fields_offset, &from.fields,
                sizeof from.fields);
    // By way of our own memory, since both sides are shared.
    std::array<std::byte, 4096> piece;
    auto total = from.fields.total_bytes();
    for (std::uint64_t done = sizeof(layout::block_header<Sync>);
         done < total;) {
      auto size = std::min<std::uint64_t>(total - done, piece.size());
      Sync::read(piece.data(), source + done, size);
      Sync::write(to + done, piece.data(), size);
      done += size;
    }
  }

  engine_type& engine_;
  std::string key_;
  std::uint64_t moved_bytes_ = 0;
};

} // namespace neuroplex::memory
