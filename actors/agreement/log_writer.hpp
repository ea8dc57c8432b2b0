// The thread that writes the durable log for all groups of a node.
//
// Purpose: whoever has something to write hands it over and goes on. The thread
// writes whatever has gathered as one batch with one flush, then what has
// gathered meanwhile: the slower the disk, the larger the batches. There is no
// timer that waits for more.
//
// Ownership and threads: owns the log and one thread. `submit`, `collect` and
// `state` may be called by any thread; `wake` is called by the log's own
// thread.
//
// A group that is idle while others write would keep every segment since its
// last write. So when more than half of the log is not needed any more, what
// such groups need is written once more, at the end.
//
// Invariants:
//  1. Writes of a group become durable in the order they were submitted.
//  2. A write is told as done only after its flush.
//  3. The log takes no more than about twice what the groups need of it.
//
// Failure behaviour: after a failed write or flush nothing more is written, and
// every group is told that it failed. While the disk is full, the same batch is
// tried again until there is room; nobody is told anything meanwhile.
#pragma once

#include "actors/agreement/frames.hpp"
#include "consensus/raft/log_image.hpp"
#include "storage/log/durable_log.hpp"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace neuroplex::agreement {

class log_writer {
public:
  struct written {
    group_id group = 0;
    raft::write_id write = 0;
  };

  struct report {
    std::uint64_t batches = 0;
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t segments = 0;
    bool full = false; ///< waits for room on the disk
    std::string problem{};
  };

  struct opened {
    std::unique_ptr<log_writer> writer;
    std::map<group_id, raft::durable_state> groups; ///< without snapshots
    storage::log_recovery met{};
  };

  /// Opens the log and reads all of it. As storage::durable_log::open.
  static expected<opened> open(std::unique_ptr<memory::disk_directory> where,
                               const storage::log_identity& whose,
                               const storage::log_options& options);

  ~log_writer();
  log_writer(const log_writer&) = delete;
  log_writer& operator=(const log_writer&) = delete;

  /// Begins to write. `wake` is called whenever `collect` has news.
  void start(std::function<void()> wake);

  /// Writes what is still waiting, and ends the thread.
  void stop() noexcept;

  struct job {
    group_id group = 0;
    raft::disk_write what{};
  };

  /// Hands over what all groups want written; those of one group in their
  /// order.
  void submit(std::vector<job> what);

  /// Appends what has become durable since the last call; false once the log
  /// has failed.
  [[nodiscard]] bool collect(std::vector<written>& done);

  [[nodiscard]] report state() const;

private:
  // A write in the present batch, or the part of it that fits.
  struct piece {
    group_id group = 0;
    raft::disk_write what{};
    bool last = true; // nothing of the write is left
  };

  explicit log_writer(storage::durable_log log);

  void run();
  bool write(std::vector<job>& jobs);
  bool gather(job& one);
  bool append();
  bool carry_over();
  bool give_up(const std::string& why);
  raft::log_image& image_of(group_id group);
  void vouch();

  storage::durable_log log_;
  storage::log_batch batch_;
  std::vector<piece> pieces_; // of batch_
  std::map<group_id, raft::log_image> images_;
  std::function<void()> wake_;
  bool vouched_ = true;
  std::size_t segments_then_ = 0; ///< when laggards were last looked for

  mutable std::mutex mutex_; // for all that follows
  std::condition_variable arrived_;
  std::vector<job> waiting_;
  std::vector<written> done_;
  report report_;
  bool stopping_ = false;
  bool failed_ = false;

  std::thread thread_;
};

} // namespace neuroplex::agreement
