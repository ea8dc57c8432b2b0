// Ghosts: what eviction remembers of newcomers that it gave up, so that who
// comes back soon is taken for settled at once (S3-FIFO, see evict.hpp).
//
// A table of fingerprints, 32 bits each, one place a hash; what comes to a
// taken place drives the other out, and so, with about as many places as
// entries, ghosts last about as long as entries would. Memory is
// committed when a namespace first has a policy that wants ghosts.
//
// Threads: all. Nothing hangs on a ghost but a guess: a lost, torn-off or
// scribbled one costs an entry its good start.
#pragma once

#include "memory/arena.hpp"

#include <algorithm>
#include <cstdint>

namespace neuroplex::memory {

template <class Sync>
class basic_ghosts {
public:
  explicit basic_ghosts(const basic_arena<Sync>& arena) noexcept
    : arena_{arena} {
  }

  void remember(std::uint64_t hash) const noexcept {
    if (auto bits = count_bits(); bits != 0)
      arena_.ghost(place_of(hash, bits))
        .store(print_of(hash), std::memory_order_relaxed);
  }

  /// Whether the entry was given up not long ago; it is forgotten then.
  [[nodiscard]] bool take(std::uint64_t hash) const noexcept {
    auto bits = count_bits();
    if (bits == 0)
      return false;
    auto& ghost = arena_.ghost(place_of(hash, bits));
    if (ghost.load(std::memory_order_relaxed) != print_of(hash))
      return false;
    ghost.store(0, std::memory_order_relaxed);
    return true;
  }

private:
  [[nodiscard]] unsigned count_bits() const noexcept {
    auto& shape = arena_.shape();
    return std::min(arena_.control().ghost_bits.load(std::memory_order_acquire),
                    shape.ghost_bits(shape.index_levels - 1));
  }

  static std::uint32_t place_of(std::uint64_t hash, unsigned bits) noexcept {
    return static_cast<std::uint32_t>(hash >> (64 - bits));
  }

  static std::uint32_t print_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash) | 1U;
  }

  const basic_arena<Sync>& arena_;
};

} // namespace neuroplex::memory
