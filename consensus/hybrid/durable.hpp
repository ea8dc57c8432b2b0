// What a replica of a hybrid group must remember over a crash.
//
// Purpose: the records that the core wants written beside those of PBFT, and
// the state that all add up to. A driver keeps records in the order of their
// writes, by any means, and gives the sum back at the next start.
//
// Threads: plain values.
//
// Invariants:
//  1. A write is a unit: all of its records or none.
//  2. The log of an epoch by Raft stays until a quorum has a checkpoint behind
//     the order that closed it: a restart may have to execute that order again.
//
// Failure behaviour: `decode_record` refuses what is not exactly one record
// with `errc::protocol`. Checksums are the driver's business.
#pragma once

#include "consensus/hybrid/message.hpp"
#include "consensus/pbft/durable.hpp"

#include <map>

namespace neuroplex::hybrid {

/// An epoch by Raft has begun here.
struct began_record {
  epoch_number epoch = 0;
  digest start{}; ///< of its chain

  friend bool operator==(const began_record&, const began_record&) = default;
};

/// What the epoch's Raft node wants remembered; its log only grows.
struct raft_record {
  epoch_number epoch = 0;
  std::optional<raft::hard_state> hard{};
  std::vector<entry> entries{};

  friend bool operator==(const raft_record&, const raft_record&) = default;
};

/// The leader vouched for this head: comes before it is told to anybody.
struct head_record {
  epoch_number epoch = 0;
  head what{};
  signature by_leader{};

  friend bool operator==(const head_record&, const head_record&) = default;
};

/// Entries of another's chain that follow on an own one: before a holding.
struct branch_record {
  epoch_number epoch = 0;
  log_index after = 0; ///< of the own chain
  std::vector<entry> entries{};

  friend bool operator==(const branch_record&, const branch_record&) = default;
};

/// Nothing is accepted in the epoch any more: before the stop.
struct stopped_record {
  epoch_number epoch = 0;

  friend bool operator==(const stopped_record&,
                         const stopped_record&) = default;
};

/// The order at that sequence number ended the epoch.
struct closed_record {
  epoch_number epoch = 0;
  sequence_number sequence = 0;

  friend bool operator==(const closed_record&, const closed_record&) = default;
};

using record =
  std::variant<pbft::record, began_record, raft_record, head_record,
               branch_record, stopped_record, closed_record>;

/// One unit for the disk, in the order of ids.
struct disk_write {
  write_id id = 0;
  std::vector<record> records{};
};

struct branch {
  log_index after = 0;
  std::vector<entry> entries{};
};

/// What is remembered of one epoch by Raft.
struct epoch_log {
  digest start{};
  raft::hard_state hard{};
  std::vector<entry> entries{};
  head vouched{}; ///< by the leader
  signature by_leader{};
  std::vector<branch> branches{};
  bool stopped = false;
  std::optional<sequence_number> closed_at{};
};

struct durable_state {
  pbft::durable_state agreement{};
  std::map<epoch_number, epoch_log> epochs{};

  void apply(const record& what);
};

/// Records that add up to the state, for a disk that begins anew with them;
/// each of about `max_bytes` of entries at most.
[[nodiscard]] std::vector<record> records_of(const durable_state& state,
                                             std::size_t max_bytes);

void encode_record(const record& what, std::string& out);
[[nodiscard]] expected<record> decode_record(const slice& bytes);

} // namespace neuroplex::hybrid
