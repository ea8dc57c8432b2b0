// What the memory alone asks for a lookup: the same cache lines, touched in the
// same order, with nothing else done. No store can be faster on this machine,
// so a figure close to its bare one is as good as the machine lets it be.
//
// Purpose: one line of an index, chosen at random, names a block somewhere in a
// pool; the lines of the block are read. `in_turn` does so key by key and
// leaves the overlap to the processor, `in_waves` prefetches for a batch at a
// time.
//
// Threads: one.
#pragma once

#include "bench/memory/machine.hpp"

#include <cstddef>
#include <cstdint>

namespace neuroplex::bench {

class bare_lines {
public:
  /// An index of `index_bytes` over `blocks` blocks of `block_bytes`.
  bare_lines(std::uint64_t index_bytes, std::uint64_t blocks,
             std::uint64_t block_bytes);

  /// Nanoseconds a lookup, over about `seconds`.
  double in_turn(double seconds);

  /// The same for batches of `batch_size` keys.
  double in_waves(double seconds);

private:
  /// A line of the index, at random.
  const std::byte* next_line() noexcept;
  [[nodiscard]] const std::byte* block_of(const std::byte* line) const noexcept;
  void touch(const std::byte* block) noexcept;

  huge_memory index_;
  huge_memory pool_;
  std::uint64_t block_bytes_;
  std::uint64_t state_ = 1;
  std::uint64_t sum_ = 0;
};

} // namespace neuroplex::bench
