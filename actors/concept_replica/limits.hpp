// Limits of replicated concept memory.
#pragma once

#include "actors/replica/limits.hpp"

#include <cstddef>
#include <cstdint>

namespace neuroplex::concept_replica::limits {

/// Changes that wait to be shown; beyond that nothing is learnt, and peers are
/// heard later.
inline constexpr std::uint64_t max_unshown = 262'144;

/// A lesson becomes durable, and travels, in parts of about so many bytes.
inline constexpr std::size_t part_bytes = replica::limits::part_bytes / 2;

/// What all facts may take in a message, about; a replica with more learns
/// nothing, since a snapshot must be read back whole.
inline constexpr std::uint64_t max_state_bytes =
  replica::limits::max_snapshot_bytes / 2;

/// A decay that would leave less than this of what was learnt is written as a
/// strength.
inline constexpr double least_factor = 1e-100;

} // namespace neuroplex::concept_replica::limits
