// Names of the replacement policies.
//
// Purpose: one enumeration and its spelling, for everything that lets a policy
// be chosen: namespaces of the store, the replay of traces, settings, and the
// command line. It knows nothing of how any policy works.
//
// Threads: plain values.
//
// Invariants:
//  1. The numbers are stored in segments: none is ever changed or used again.
//  2. `to_string` and `parse_policy_kind` are inverse to one another.
//
// Failure behaviour: an unknown name is no policy; nothing throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace neuroplex::memory {

enum class policy_kind : std::uint8_t {
  noeviction = 0, ///< nothing leaves to make room; a full store refuses
  clock = 1,      ///< FIFO that passes over what was used since the last turn
  fifo = 2,       ///< what came first
  lru = 3,        ///< what was used longest ago
  lfu = 4,        ///< what was used least often
  s3fifo = 5,     ///< a small queue on probation before the main one
  sieve = 6,      ///< a hand that moves from old to new and keeps what was used
  adaptive = 7,   ///< follows what would have served best of late
  wtinylfu = 8,   ///< a window whose size climbs, and admission by frequency
  lirs = 9,       ///< by the distance between the last two uses
  arc = 10,       ///< recency and frequency, balanced by ghosts
  twoq = 11,      ///< a queue of newcomers before an LRU
};

namespace detail {

/// In the order of the numbers.
inline constexpr std::array<std::string_view, 12> policy_names = {
  "noeviction", "clock",    "fifo",     "lru",  "lfu", "s3fifo",
  "sieve",      "adaptive", "wtinylfu", "lirs", "arc", "2q",
};

} // namespace detail

/// Number of policies; decoders refuse a number at or above it.
inline constexpr std::uint8_t policy_kind_count = detail::policy_names.size();

[[nodiscard]] constexpr std::string_view to_string(policy_kind kind) noexcept {
  auto index = static_cast<std::size_t>(kind);
  return index < detail::policy_names.size() ? detail::policy_names[index]
                                             : std::string_view{"unknown"};
}

/// The policy of this name, as `to_string` spells it.
[[nodiscard]] constexpr std::optional<policy_kind>
parse_policy_kind(std::string_view name) noexcept {
  for (std::size_t i = 0; i < detail::policy_names.size(); ++i)
    if (detail::policy_names[i] == name)
      return static_cast<policy_kind>(i);
  return std::nullopt;
}

static_assert(parse_policy_kind("2q") == policy_kind::twoq);
static_assert(to_string(policy_kind::adaptive) == "adaptive");

} // namespace neuroplex::memory
