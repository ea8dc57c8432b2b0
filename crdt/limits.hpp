// Every limit of the CRDT library, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::crdt::limits {

/// Largest counter of a dot. A replica that made a million changes a second
/// gets there after nine years, and then takes a new incarnation.
inline constexpr std::uint64_t max_counter = (std::uint64_t{1} << 48) - 1;

/// Most replicas that one state or delta may name.
inline constexpr std::size_t max_replicas = 16'384;

/// Longest element, key or value of a state, in bytes.
inline constexpr std::size_t max_element_bytes = std::size_t{1} << 20;

/// Longest encoded state or delta, in bytes.
inline constexpr std::size_t max_encoded_bytes = std::size_t{1} << 30;

/// Most elements of a set whose removes wait for adds that are yet to come.
inline constexpr std::size_t max_deferred = 65'536;

/// Most pairs of replicas in a bounded counter of which one gave rights to the
/// other: all of them travel with each decrement.
inline constexpr std::size_t max_transfers = 65'536;

/// Counters that one hash of a digest covers.
inline constexpr std::uint64_t digest_range_counters = 1'024;

} // namespace neuroplex::crdt::limits

namespace neuroplex::crdt {

/// What a decoder accepts; the defaults are the most that is ever encoded.
struct decode_limits {
  std::size_t max_bytes = limits::max_encoded_bytes;
  std::size_t max_replicas = limits::max_replicas;
  std::size_t max_element_bytes = limits::max_element_bytes;
};

} // namespace neuroplex::crdt
