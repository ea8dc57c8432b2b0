// Ghosts: what eviction remembers of entries that it gave up, so that who comes
// back soon is taken for settled at once (order.hpp).
//
// A table of fingerprints, one place a hash, with the time of the last use:
//
//   bits 18-31  of the hash, the lowest of them set, so that no ghost is 0
//   bits 0-17   eviction's clock when the entry was last used, in steps of 4
//
// What comes to a taken place drives the other out, and so, with about as many
// places as entries, ghosts last about as long as entries would. Memory is
// committed when a namespace first has a policy that wants ghosts.
//
// Threads: all. Nothing hangs on a ghost but a guess: a lost, torn-off or
// scribbled one costs an entry its good start.
#pragma once

#include "memory/arena.hpp"
#include "memory/stamp.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace neuroplex::memory {

namespace ghost {

inline constexpr unsigned print_shift = 18;
inline constexpr unsigned tick_shift = 2;
inline constexpr std::uint32_t time_mask = (1U << print_shift) - 1;

/// The ghost of an entry that was last used when eviction's clock stood there.
constexpr std::uint32_t make(std::uint64_t hash, std::uint32_t clock) noexcept {
  return ((static_cast<std::uint32_t>(hash) >> print_shift | 1U) << print_shift)
         | (clock >> tick_shift & time_mask);
}

constexpr bool is_of(std::uint32_t ghost, std::uint64_t hash) noexcept {
  return ghost >> print_shift
         == (static_cast<std::uint32_t>(hash) >> print_shift | 1U);
}

/// Ticks since the last use, about.
constexpr std::uint32_t age(std::uint32_t ghost, std::uint32_t clock) noexcept {
  return (((clock >> tick_shift) - ghost) & time_mask) << tick_shift;
}

} // namespace ghost

template <class Sync>
class basic_ghosts {
public:
  explicit basic_ghosts(const basic_arena<Sync>& arena) noexcept
    : arena_{arena} {
  }

  /// Of an entry with this stamp.
  void remember(std::uint64_t hash, std::uint32_t stamp) const noexcept {
    if (auto bits = count_bits(); bits != 0)
      arena_.ghost(place_of(hash, bits))
        .store(ghost::make(hash, stamp & stamp::clock_mask),
               std::memory_order_relaxed);
  }

  /// Ticks since the last use of an entry that was given up not long ago; it is
  /// forgotten then.
  [[nodiscard]] std::optional<std::uint32_t>
  take(std::uint64_t hash, std::uint32_t now) const noexcept {
    auto bits = count_bits();
    if (bits == 0)
      return std::nullopt;
    auto& place = arena_.ghost(place_of(hash, bits));
    auto present = place.load(std::memory_order_relaxed);
    if (!ghost::is_of(present, hash))
      return std::nullopt;
    place.store(0, std::memory_order_relaxed);
    return ghost::age(present, now & stamp::clock_mask);
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

  const basic_arena<Sync>& arena_;
};

} // namespace neuroplex::memory
