// What left lately: fingerprints of keys with the time they left or were used.
//
// Purpose: orders ask whether a key that is missing was here a short while ago.
// A set-associative table of 8-byte entries answers; what is too old, the asker
// decides by the time it gets. Two keys may share a fingerprint (about one
// question in a million for a million of them); then the answer is wrong, which
// costs a hit, not more.
//
// Ownership and threads: owns its memory; one thread.
//
// Invariants: 8 bytes a ghost; a full set loses its oldest.
//
// Failure behaviour: none; an unknown key has no time.
#pragma once

#include "memory/policy/residents.hpp"

#include <algorithm>
#include <optional>

namespace neuroplex::memory::policy {

class ghosts {
public:
  struct ghost {
    std::uint32_t fingerprint = 0; ///< 0: none
    std::uint32_t time = 0;
  };
  static_assert(sizeof(ghost) <= 8);

  ghosts() : table_(2 * ways), set_mask_{1} {
  }

  /// Sees to room for `count` ghosts at least.
  void fit(std::size_t count) {
    if (count <= table_.size())
      return;
    std::vector<ghost> old(std::bit_ceil(count));
    old.swap(table_);
    set_mask_ = table_.size() / ways - 1;
    for (auto& each : old)
      if (each.fingerprint != 0)
        put(std::uint64_t{each.fingerprint} << fingerprint_shift, each.time);
  }

  /// When the key was put here; a key is found once.
  [[nodiscard]] std::optional<std::uint32_t> take(std::uint64_t hash) noexcept {
    auto* set = set_of(hash);
    auto wanted = fingerprint_of(hash);
    for (std::size_t way = 0; way < ways; ++way)
      if (set[way].fingerprint == wanted) {
        set[way].fingerprint = 0;
        return set[way].time;
      }
    return std::nullopt;
  }

  void put(std::uint64_t hash, std::uint32_t time) noexcept {
    auto* set = set_of(hash);
    auto* place = set;
    for (std::size_t way = 0; way < ways; ++way) {
      if (set[way].fingerprint == 0) {
        place = &set[way];
        break;
      }
      if (is_after(place->time, set[way].time))
        place = &set[way];
    }
    *place = {fingerprint_of(hash), time};
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return table_.capacity() * sizeof(ghost);
  }

private:
  static constexpr std::size_t ways = 8; // one cache line
  static constexpr unsigned fingerprint_shift = 24;

  [[nodiscard]] static std::uint32_t
  fingerprint_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> fingerprint_shift) | 1U;
  }

  [[nodiscard]] ghost* set_of(std::uint64_t hash) noexcept {
    // From bits of the fingerprint alone, so that the table can grow.
    return &table_[(hash >> (fingerprint_shift + 1) & set_mask_) * ways];
  }

  std::vector<ghost> table_;
  std::size_t set_mask_;
};

} // namespace neuroplex::memory::policy
