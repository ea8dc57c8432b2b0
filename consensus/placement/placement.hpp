// Who owns what: one interface for every way to spread keys over nodes.
//
// Purpose: callers ask where a key lives and get a shard and its owners; how
// that is decided is the strategy's own affair. `hash_slots` is the first
// strategy; a ring with virtual nodes, key ranges and a directory fit behind
// the same interface.
//
// Threads: a placement is immutable once made and may be read by any thread.
// A change makes a new one with a higher epoch.
//
// Invariants:
//  1. Every key has a shard, and every shard has replication_factor distinct
//     owners, the first of which is the primary.
//  2. Two placements of equal fingerprint answer every question alike.
//
// Failure behaviour: making one answers `errc::config` with the reason; asking
// cannot fail.
#pragma once

#include "consensus/placement/slots.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace neuroplex::placement {

/// Number of a shard, 0 to shard_count() - 1, over the whole cluster.
using shard_index = std::uint32_t;

/// How work is spread over nodes that could all do it.
enum class load_balancing : std::uint8_t {
  least_loaded, ///< the candidate with the fewest units; ties: the first
};

struct placement_options {
  /// Shards over the whole cluster: 1 to slot_count.
  std::uint32_t shards = 64;

  /// Copies of a key: 1 to the number of members.
  std::uint32_t replication_factor = 1;

  load_balancing balancing = load_balancing::least_loaded;
};

/// The units (shards, requests in flight) one node carries.
struct node_load {
  replica_id node = 0;
  std::uint64_t units = 0;
};

/// The candidate that should take the next unit; 0 when there is none.
[[nodiscard]] replica_id pick(load_balancing how,
                              std::span<const node_load> candidates) noexcept;

class placement {
public:
  virtual ~placement() = default;

  /// Grows by one with every change of the table.
  [[nodiscard]] virtual std::uint64_t epoch() const noexcept = 0;

  /// Equal on two nodes exactly when their tables are.
  [[nodiscard]] virtual std::uint64_t fingerprint() const noexcept = 0;

  [[nodiscard]] virtual std::uint32_t shard_count() const noexcept = 0;
  [[nodiscard]] virtual shard_index
  shard_of(std::string_view key) const noexcept = 0;

  /// Owners of a shard, primary first. `shard` must be below shard_count().
  [[nodiscard]] virtual std::span<const replica_id>
  owners_of(shard_index shard) const noexcept = 0;

  /// All nodes, in ascending order.
  [[nodiscard]] virtual std::span<const replica_id>
  members() const noexcept = 0;

  /// The node that decides about `key`.
  [[nodiscard]] replica_id primary_of(std::string_view key) const noexcept {
    return owners_of(shard_of(key)).front();
  }
};

using placement_ptr = std::shared_ptr<const placement>;

} // namespace neuroplex::placement
