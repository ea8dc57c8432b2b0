// Every limit of replicas, in one place.
#pragma once

#include "crdt/limits.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace neuroplex::replica::limits {

inline constexpr std::size_t max_key_bytes = 65'535;

/// Longest value, member or name of a field. A change travels as a whole.
inline constexpr std::size_t max_value_bytes = std::size_t{1} << 20;

/// Most bytes of changes that are kept for a peer that does not acknowledge;
/// beyond that it is told by digest when it is back.
inline constexpr std::size_t max_kept_bytes = std::size_t{2} << 20;

/// Facts of one message take about so many bytes; what is more goes in parts.
inline constexpr std::size_t part_bytes = std::size_t{2} << 20;

/// Longest message between replicas, unpacked.
inline constexpr std::size_t max_message_bytes = std::size_t{8} << 20;

/// Longest snapshot that is read back.
inline constexpr std::size_t max_snapshot_bytes =
  crdt::limits::max_encoded_bytes;

/// Replicas that a state may name: each node in each of its incarnations.
inline constexpr std::size_t max_replicas = 4'096;

/// Counters that are reserved on the disk at a time.
inline constexpr std::uint64_t counters_ahead = std::uint64_t{1} << 20;

/// Requests that wait for others: for the disk, or for fresher state.
inline constexpr std::size_t max_waiting = 65'536;

/// Words, or keys, of a read that another node answers.
inline constexpr std::size_t max_question_words = 8'192;

/// Differing keys that a comparison of two nodes names.
inline constexpr std::size_t max_named_keys = 64;

/// How far ahead of this node's clock the clock of a writer may be.
inline constexpr std::chrono::milliseconds max_clock_drift{60'000};

} // namespace neuroplex::replica::limits
