// Every limit of the hybrid core and of its wire format, in one place.
//
// Options may ask for less than these, never for more; decoders check a length
// against them before they allocate.
#pragma once

#include "consensus/pbft/limits.hpp"

#include <cstddef>

namespace neuroplex::hybrid::limits {

/// Entries of one epoch by Raft. Nothing is compacted within an epoch.
inline constexpr std::size_t max_epoch_entries = std::size_t{1} << 20;

/// Entries of one message, and of one record.
inline constexpr std::size_t max_entries = 8'192;

/// Longest part of a message that has a length of its own, in bytes.
inline constexpr std::size_t max_part_bytes =
  pbft::limits::max_operation_bytes * 2;

/// Stops, holdings and votes of one order: a replica each.
inline constexpr std::size_t max_words = pbft::limits::max_replicas;

/// Chains of other replicas that are fetched at one time, and kept an epoch.
inline constexpr std::size_t max_branches = pbft::limits::max_replicas;

/// Packets that wait for the disk; more are dropped, and come again.
inline constexpr std::size_t max_held_packets = 65'536;

} // namespace neuroplex::hybrid::limits
