// What a cache actor reports, and how it travels.
//
// Threads: plain values. Rules as in message_types.hpp.
#pragma once

#include "actors/caf_compat.hpp"
#include "memory/tiered_cache.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::memory {

template <class Inspector>
auto inspect(Inspector& f, tiered_stats& x) {
  using actors::field;
  return actors::inspect_as(
    f, x, "tiered_stats", field("near_hits", x.near_hits),
    field("near_stale", x.near_stale), field("near_entries", x.near_entries),
    field("near_bytes", x.near_bytes), field("segment_hits", x.segment_hits),
    field("tier_hits", x.tier_hits), field("misses", x.misses),
    field("known_absences", x.known_absences), field("joined", x.joined),
    field("overtaken", x.overtaken), field("tier_failures", x.tier_failures),
    field("unknown_outcomes", x.unknown_outcomes), field("flushed", x.flushed),
    field("no_credit", x.no_credit), field("in_flight", x.in_flight),
    field("dirty_entries", x.dirty_entries),
    field("dirty_bytes", x.dirty_bytes));
}

} // namespace neuroplex::memory

namespace neuroplex::actors {

struct cache_report {
  std::string space; ///< name of the namespace
  bool write_back = false;
  std::uint32_t flush_interval_ms = 0;
  std::uint64_t flush_entries = 0; ///< that one step of flushing brings down
  std::uint64_t flush_failures = 0;
  memory::tiered_stats levels;
};

template <class Inspector>
auto inspect(Inspector& f, cache_report& x) {
  return inspect_as(f, x, "cache_report", field("space", x.space),
                    field("write_back", x.write_back),
                    field("flush_interval_ms", x.flush_interval_ms),
                    field("flush_entries", x.flush_entries),
                    field("flush_failures", x.flush_failures),
                    field("levels", x.levels));
}

} // namespace neuroplex::actors
