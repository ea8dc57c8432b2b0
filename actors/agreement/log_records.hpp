// What a Raft core wants written, as records of the durable log, and back.
//
// Purpose: the one place that knows how a `raft::disk_write` lies in the log.
// Records of one write stand in this order: the log is reset, it is truncated,
// entries, term and vote. Replayed in the order of the log they give the
// durable state that the core had.
//
// Threads: one at a time.
//
// Invariants: a write is in one batch, and so there as a whole or not at all.
//
// Failure behaviour: `replay` refuses what no writer of ours leaves behind
// (`corrupt`, with group and index).
#pragma once

#include "consensus/raft/effects.hpp"
#include "storage/log/durable_log.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace neuroplex::agreement {

using group_id = std::uint64_t;

/// Adds a write of a group; `busy` when it does not fit beside what the batch
/// holds, which is then unchanged in effect: the caller starts a new one.
[[nodiscard]] errc add_records(group_id group, const raft::disk_write& what,
                               storage::log_batch& batch);

/// Bytes that a write takes in a batch, about.
[[nodiscard]] std::uint64_t record_bytes(const raft::disk_write& what);

/// In which batches a group's entries lie, as far as they may be needed.
class batch_index {
public:
  /// A write that stands in `batch`. Batches come in rising order.
  void note(const raft::disk_write& what, storage::batch_number batch);

  /// As the writer's notes, record by record.
  void note_entry(raft::log_index index, storage::batch_number batch);
  void note_truncation(raft::log_index from);

  /// First batch that must be kept when entries up to `index` are dropped and
  /// term and vote stand in `latest`.
  storage::batch_number keep_after(raft::log_index index,
                                   storage::batch_number latest);

private:
  struct place {
    raft::log_index first = 0;
    storage::batch_number batch = 0;
  };

  std::deque<place> places_;
};

/// The state of every group that a log tells of.
class log_replay {
public:
  struct group_state {
    raft::hard_state hard{};
    std::vector<raft::entry> log{};
    batch_index batches{};
  };

  /// Takes one record of the log, in order.
  void take(const storage::log_record& record, storage::batch_number batch);

  /// What all the records came to.
  [[nodiscard]] expected<std::map<group_id, group_state>> finish();

private:
  std::map<group_id, group_state> groups_;
  std::optional<failure> wrong_;
};

} // namespace neuroplex::agreement
