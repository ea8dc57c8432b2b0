// Raw memory on lease: who borrows it, until when.
//
// Purpose: the books of the pool actor. A lease is a block of the segment that
// any attached process can map, and ends when it is given back, when its time
// is over, or with its holder, whichever comes first.
//
// Ownership: refers to a store that outlives it; outlives the actor in front,
// so that leases survive the actor's restart. Its destructor ends them all.
// Threads: any; one call at a time gets in. Time comes in as an argument.
//
// Invariants:
//  1. The memory of a lease is lent to nobody else until the lease has ended.
//  2. A number is never used for two leases.
//
// Failure behaviour: `errc`; nothing has changed then.
#pragma once

#include "actors/upkeep/report.hpp"
#include "memory/raw_blocks.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace neuroplex::upkeep {

/// Longest time a lease runs without being renewed.
inline constexpr std::int64_t max_lease_ms = 86'400'000;

struct lease {
  std::uint64_t id = 0;
  memory::raw_block block;
  std::int64_t ends_ms = 0; ///< Unix time; 0: with its holder only
};

class lender {
public:
  explicit lender(memory::store& store);

  /// Lends `bytes` to `holder` (0 for nobody) for `lease_ms` (0: until the
  /// holder ends, and then there must be one). `bad_argument`, and the codes of
  /// raw_blocks.
  expected<lease> allocate(std::uint64_t bytes, std::int64_t lease_ms,
                           std::uint64_t holder, std::int64_t now_ms);

  /// Ends a lease. `not_found`.
  errc deallocate(std::uint64_t id);

  /// Lets a lease run `lease_ms` from now. `not_found`, `bad_argument`.
  expected<lease> renew(std::uint64_t id, std::int64_t lease_ms,
                        std::int64_t now_ms);

  /// Ends at most `most` leases whose time is over; answers how many.
  std::size_t end_due(std::int64_t now_ms, std::size_t most);

  /// Ends all leases of a holder; answers how many.
  std::size_t end_holder(std::uint64_t holder);

  /// When the next lease ends by time; 0 when none does.
  [[nodiscard]] std::int64_t next_end_ms() const;

  /// Ends all leases and lets go of the store; later calls answer `closed`.
  void close() noexcept;

  /// What is lent and was, without figures of the pool; they are 0.
  [[nodiscard]] pool_report lent() const;

  /// The same with the pool's figures.
  [[nodiscard]] pool_report usage() const;
  [[nodiscard]] performance_report performance() const;

private:
  struct entry {
    lease what;
    std::uint64_t holder = 0;
  };

  using entries = std::map<std::uint64_t, entry>;

  errc end(entries::iterator which);
  errc prepare();

  memory::store* store_; // null when closed
  mutable std::mutex mutex_;
  std::unique_ptr<memory::raw_blocks> blocks_; // made at the first lease
  entries leases_;
  std::set<std::pair<std::int64_t, std::uint64_t>> ends_; // time, number
  std::uint64_t last_id_ = 0;
  pool_report counts_;
  memory::latency_recorder allocating_;
  memory::latency_recorder deallocating_;
};

} // namespace neuroplex::upkeep
