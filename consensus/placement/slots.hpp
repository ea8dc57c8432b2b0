// From a key to its hash slot.
//
// Purpose: the first step of every placement that works with slots. A slot is
// a pure function of the key's bytes, the same on every node, in every process
// and in every version: the top 16 bits of XXH3-64 over the key with the seed
// below. The seed keeps the slot independent of the hash by which a segment
// spreads the same key over its index.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::placement {

/// Number of a hash slot, 0 to slot_count - 1.
using slot_index = std::uint32_t;

/// Number of a node in its cluster; 0 names no node.
using replica_id = std::uint32_t;

inline constexpr std::uint32_t slot_count = 65'536;

/// Seed of the slot hash; part of the protocol, never to be changed.
inline constexpr std::uint64_t slot_seed = 0x6e6575726f706c78;

/// The slot of `key`. Namespaces do not take part: a key has one slot in all.
[[nodiscard]] slot_index slot_of(std::string_view key) noexcept;

/// The part of a key by which clients of Redis keep keys together: what stands
/// between its first '{' and the next '}', if that is not empty; else all of
/// it.
[[nodiscard]] std::string_view hash_tag(std::string_view key) noexcept;

/// Which of `ranges` contiguous ranges of slots, whose sizes differ by at most
/// one, holds `slot`. `ranges`: 1 to slot_count.
[[nodiscard]] constexpr std::uint32_t
range_of_slot(slot_index slot, std::uint32_t ranges) noexcept {
  return static_cast<std::uint32_t>(((slot + std::uint64_t{1}) * ranges - 1)
                                    / slot_count);
}

/// XXH3-64 of `bytes`, for fingerprints that must agree between nodes.
[[nodiscard]] std::uint64_t fingerprint(std::string_view bytes,
                                        std::uint64_t seed = 0) noexcept;

} // namespace neuroplex::placement
