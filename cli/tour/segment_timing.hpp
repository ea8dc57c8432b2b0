// What one get and one set cost in a segment, measured by whoever attaches.
//
// Purpose: the figures that the shared segment exists for, taken on the real
// entries of a running node, one operation at a time.
//
// Ownership and threads: borrows the store; one thread. The owner of the
// segment goes on serving meanwhile.
//
// Invariants: every set stores the bytes that are there already, so the content
// is the same before and after.
//
// Failure behaviour: `corrupt` when a value differs from what was stored, or
// the store's own code, with the key named.
#pragma once

#include "cli/load/record.hpp"
#include "cli/tour/latency.hpp"
#include "memory/store.hpp"

#include <span>

namespace neuroplex::cli {

/// Durations as the clock showed them, its own cost not taken off.
struct segment_timing {
  latency_samples gets;
  latency_samples sets;
};

/// Gets and then sets entries drawn at random from `entries` (all of which the
/// segment holds), `operations` of each kind.
[[nodiscard]] expected<segment_timing>
measure_segment(memory::store& segment, memory::namespace_id space,
                std::span<const record* const> entries, std::size_t operations);

} // namespace neuroplex::cli
