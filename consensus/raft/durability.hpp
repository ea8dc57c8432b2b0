// Which part of the log is durable, while several writes are under way.
//
// Purpose: a write is reported as durable by its id, possibly long after the
// entries that it carried were replaced by others of the same index. So what a
// write makes durable is kept by id, and shrinks when the log is truncated: an
// old report never vouches for newer entries (the ABA of asynchronous appends).
//
// Threads: one at a time.
//
// Invariants:
//  1. Entries of the present log up to durable_index() are on the disk.
//  2. Ids are reported in the order in which writes began; a report covers all
//     writes before it.
//
// Failure behaviour: a report of a write that never began is ignored.
#pragma once

#include "consensus/raft/types.hpp"

#include <algorithm>
#include <deque>

namespace neuroplex::raft {

class write_tracker {
public:
  write_tracker() = default;

  explicit write_tracker(log_index durable) : durable_index_{durable} {
  }

  [[nodiscard]] log_index durable_index() const noexcept {
    return durable_index_;
  }

  /// Last write that began.
  [[nodiscard]] write_id last_write() const noexcept {
    return last_write_;
  }

  /// Last write that is durable.
  [[nodiscard]] write_id durable_write() const noexcept {
    return durable_write_;
  }

  [[nodiscard]] bool durable(write_id write) const noexcept {
    return write <= durable_write_;
  }

  /// The id of the next write.
  [[nodiscard]] write_id next_write() const noexcept {
    return last_write_ + 1;
  }

  /// A write began after which the disk's log ends at `last`.
  write_id begin(log_index last) {
    under_way_.push_back({++last_write_, last});
    return last_write_;
  }

  /// The log is cut: nothing that is under way covers what comes there next.
  void truncate(log_index from) {
    for (auto& write : under_way_)
      write.last = std::min(write.last, from - 1);
    durable_index_ = std::min(durable_index_, from - 1);
  }

  /// A durable snapshot stands for the log up to `index`.
  void covered(log_index index) {
    durable_index_ = std::max(durable_index_, index);
  }

  /// The log begins anew after `index`, which is durable by other means.
  void reset(log_index index) {
    for (auto& write : under_way_)
      write.last = 0;
    durable_index_ = index;
  }

  /// Answers whether anything became durable.
  bool persisted(write_id write) {
    if (write > last_write_ || write <= durable_write_)
      return false;
    durable_write_ = write;
    while (!under_way_.empty() && under_way_.front().id <= write) {
      durable_index_ = std::max(durable_index_, under_way_.front().last);
      under_way_.pop_front();
    }
    return true;
  }

private:
  struct pending_write {
    write_id id = 0;
    log_index last = 0;
  };

  std::deque<pending_write> under_way_;
  log_index durable_index_ = 0;
  write_id last_write_ = 0;
  write_id durable_write_ = 0;
};

} // namespace neuroplex::raft
