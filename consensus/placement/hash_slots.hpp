// Placement by 65,536 hash slots in an explicit table.
//
// Purpose: the default strategy. Slots are cut into `shards` contiguous ranges
// whose sizes differ by at most one; the table names the owners of each range.
// The first table follows from the options and the set of members alone, so
// nodes with the same configuration agree without talking.
//
// Threads: immutable; read by any thread.
//
// Invariants: those of `placement`, and
//  1. Shard i covers [first_slot(i), first_slot(i + 1)).
//  2. The numbers of shards that two members own (copies counted) differ by
//     at most one, whenever replication_factor is 1.
//  3. rebalance moves no more shards than the new quotas make necessary when
//     replication_factor is 1, and never moves one between two members that
//     are both within their quota.
#pragma once

#include "consensus/placement/placement.hpp"

namespace neuroplex::placement {

class hash_slots final : public placement {
public:
  /// The first table (epoch 1) for these members, whose order does not matter.
  /// `errc::config`: no members, id 0, an id twice, or options out of range.
  static expected<std::shared_ptr<const hash_slots>>
  make(const placement_options& options, std::vector<replica_id> members);

  /// The table for other members, one epoch later, moving as little as
  /// possible. Fails as `make` does.
  [[nodiscard]] expected<std::shared_ptr<const hash_slots>>
  rebalance(std::vector<replica_id> members) const;

  [[nodiscard]] std::uint64_t epoch() const noexcept override {
    return epoch_;
  }

  [[nodiscard]] std::uint64_t fingerprint() const noexcept override {
    return fingerprint_;
  }

  [[nodiscard]] std::uint32_t shard_count() const noexcept override {
    return options_.shards;
  }

  [[nodiscard]] shard_index
  shard_of(std::string_view key) const noexcept override {
    return shard_of_slot(slot_of(key));
  }

  [[nodiscard]] std::span<const replica_id>
  owners_of(shard_index shard) const noexcept override;

  [[nodiscard]] std::span<const replica_id> members() const noexcept override {
    return members_;
  }

  /// The shard whose range holds `slot` (below slot_count).
  [[nodiscard]] shard_index shard_of_slot(slot_index slot) const noexcept;

  /// First slot of a shard; slot_count for shard_count().
  [[nodiscard]] slot_index first_slot(shard_index shard) const noexcept;

private:
  hash_slots(const placement_options& options, std::vector<replica_id> members,
             std::uint64_t epoch, std::vector<replica_id> owners);

  placement_options options_;
  std::vector<replica_id> members_;
  std::uint64_t epoch_;
  std::vector<replica_id> owners_; // replication_factor entries a shard
  std::uint64_t fingerprint_ = 0;
};

} // namespace neuroplex::placement
