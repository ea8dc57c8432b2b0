// Which blocks are pinned, asked of all threads at once before blocks are
// reused.
//
// Threads: a filter belongs to the thread that made it. What was pinned before
// it was made and still is, it contains; a later pin finds out by looking at
// the slot again that the block is displaced (doc/decisions/0001).
#pragma once

#include "memory/arena.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace neuroplex::memory {

/// The granules that any thread pins, as a small Bloom filter: a false
/// positive only keeps a block back until the next round.
template <class Sync>
class basic_pin_filter {
public:
  explicit basic_pin_filter(const basic_arena<Sync>& arena) noexcept {
    auto high = std::min<std::uint32_t>(
      arena.control().threads_high.load(std::memory_order_seq_cst),
      arena.shape().thread_count);
    for (std::uint32_t i = 0; i < high; ++i) {
      auto& slot = arena.thread(i);
      // Pairs with the seq_cst exchange that publishes an intent or a pin:
      // either we see it, or its owner sees that the slot no longer names
      // the block.
      if (slot.intent.load(std::memory_order_seq_cst) != 0)
        add(slot.old_granule.load(std::memory_order_seq_cst));
      for (auto& pin : slot.pins)
        add(pin.load(std::memory_order_seq_cst));
    }
  }

  [[nodiscard]] bool contains(std::uint32_t granule) const noexcept {
    auto bit = bit_of(granule);
    return (bits_[bit / 64] >> (bit % 64) & 1U) != 0;
  }

private:
  static unsigned bit_of(std::uint32_t granule) noexcept {
    return (granule * 0x9E3779B1U) >> 22; // 10 bits
  }

  void add(std::uint32_t granule) noexcept {
    auto bit = bit_of(granule);
    if (granule != 0)
      bits_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }

  std::array<std::uint64_t, 16> bits_{};
};

} // namespace neuroplex::memory
