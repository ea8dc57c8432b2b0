// One group's part of the node's durable log: its writes as records, and back.
//
// Purpose: the log (`storage/log`) keeps records of many groups and does not
// know what they mean; the core says `disk_write` and starts from a
// `durable_state`. This is what lies between. Every write begins with a record
// of the term, the vote, and where the log begins; entries follow, a record
// each. So the last write of a group says all but the entries, and older ones
// may go with their segments.
//
// A write that no batch can hold is cut into pieces (`next_piece`). A crash
// between two of them leaves what a shorter append would have left.
//
// Ownership and threads: plain values, one thread at a time. The image shares
// the bytes of its entries with whoever wrote them.
//
// Invariants:
//  1. Reading back what was added gives what `wrote` gave, but for entries that
//     are covered by a snapshot.
//  2. Records in batches before `first_needed` say nothing that is still true
//     and is not said again.
//
// Failure behaviour: records that contradict each other are `corrupt`, with
// group and index; nothing is guessed.
#pragma once

#include "consensus/raft/effects.hpp"
#include "storage/log/durable_log.hpp"

#include <deque>

namespace neuroplex::raft {

/// Of the records of a write, for `log_batch::room`.
[[nodiscard]] std::size_t record_bytes(const disk_write& write) noexcept;

/// Takes from `rest` the entries that fit into a batch of `max_bytes`, and all
/// else that it says. `rest` keeps the other entries; when it has none, the
/// piece was the last one. `value_size`: a single entry is too large.
[[nodiscard]] expected<disk_write> next_piece(disk_write& rest,
                                              std::size_t max_bytes);

class log_image {
public:
  explicit log_image(std::uint64_t group) : group_{group} {
  }

  /// Takes in a record of this group, in the order in which they lie.
  [[nodiscard]] expected<void> read(const storage::log_record& record,
                                    storage::batch_number batch);

  /// To be asked when all was read. `corrupt`: entries are missing.
  [[nodiscard]] expected<void> check() const;

  /// Adds a write, which must fit into the room that is left. It counts only
  /// from `wrote` on. Writes are added and become durable in the same order;
  /// one that never does ends the use of the image.
  void add_to(storage::log_batch& batch, const disk_write& write);

  /// A write that was added, or a piece of it, is durable in `batch`.
  void wrote(const disk_write& write, storage::batch_number batch);

  /// The first batch that is needed to read the group back: what to tell
  /// `durable_log::keep_from`.
  [[nodiscard]] storage::batch_number first_needed() const noexcept;

  /// The whole image as one write, for a group that is asked to free old
  /// segments. It must lie in one batch.
  [[nodiscard]] disk_write whole() const;

  /// Of the records of `whole`.
  [[nodiscard]] std::size_t record_bytes() const noexcept;

  [[nodiscard]] const hard_state& hard() const noexcept {
    return hard_;
  }

  /// Everything up to here is in a durable snapshot.
  [[nodiscard]] log_index base() const noexcept {
    return base_;
  }

  /// The entries after the base.
  [[nodiscard]] const std::deque<entry>& entries() const noexcept {
    return entries_;
  }

  [[nodiscard]] log_index last_index() const noexcept {
    return entries_.empty() ? base_ : entries_.back().index;
  }

private:
  expected<void> read_head(const storage::log_record& record,
                           storage::batch_number batch);
  expected<void> read_entry(const storage::log_record& record,
                            storage::batch_number batch);
  void cut(std::optional<log_index> reset_to,
           std::optional<log_index> truncate_from, log_index base);
  [[nodiscard]] failure corrupt(log_index index, std::string_view what) const;

  std::uint64_t group_;
  hard_state hard_{};
  log_index base_ = 0;
  log_index base_said_ = 0; ///< by the last write that was added
  std::deque<entry> entries_;
  std::deque<storage::batch_number> batches_; ///< of each entry
  storage::batch_number last_batch_ = 0;
};

} // namespace neuroplex::raft
