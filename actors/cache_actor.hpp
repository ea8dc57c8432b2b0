// The actor in front of a cache of several levels: copies in this process, the
// segment, and a slower store below it.
//
// Purpose: what memory::tiered_cache does, by messages, with figures of each
// level; and the flushing that a cache which writes back needs somebody to do.
// It has a thread of its own, since it waits for the lower tier, and serves one
// request after the other. A program whose hits must not stand behind a slow
// tier uses the tiered_cache itself, which all its threads may call.
//
// Ownership: the actor holds segment and tier until it ends.
//
// Invariants:
//  1. At most limits::max_cache_requests messages wait; more answer `busy`.
//  2. Values that a process left dirty in the segment are found and flushed by
//     the next actor that writes back.
//
// Failure behaviour: a failure of the tier is the answer of the request that
// needed it. What could not be flushed stays dirty, is counted, and is tried
// again at the next interval.
#pragma once

#include "actors/interfaces.hpp"
#include "memory/lower_tier.hpp"
#include "memory/store.hpp"
#include "memory/tiered_cache.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace neuroplex::actors {

struct cache_setup {
  std::shared_ptr<memory::store> segment;
  std::string space = "cache";               ///< made if it is not there
  std::shared_ptr<memory::lower_tier> below; ///< null: two levels
  memory::tiered_options options;
  std::uint32_t flush_interval_ms = 100;
  std::uint64_t flush_entries = 256; ///< that one step brings down
};

/// As memory::tiered_cache::make; `bad_argument` without a segment or with a
/// setting out of range.
expected<cache_actor> spawn_cache(caf::actor_system& system,
                                  const cache_setup& setup);

} // namespace neuroplex::actors
