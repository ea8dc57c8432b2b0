// The log and the snapshots of one simulated Raft node.
//
// Purpose: keeps what a core wants kept, as a node does: in the real durable
// log (`storage/log`), on the machine's disk. Writes that come while one is
// flushed are gathered into the next batch. A snapshot is a file of its own.
//
// Threads: none; belongs to the kernel.
//
// Invariants: `holds_durably` tells only of what was flushed.
//
// Failure: what cannot be written for want of room waits. Damage of what was
// durable is `damaged`, never a shorter log. Damage to the last batch cannot be
// told from a torn tail by any log: rot is placed where something vouches for
// the bytes.
#pragma once

#include "consensus/raft/log_image.hpp"
#include "tests/sim/machine.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::sim {

/// A snapshot as the state machine gives it.
struct stored_snapshot {
  raft::snapshot_meta meta{};
  std::string state{};
};

class node_files {
public:
  using answer = std::function<void(errc)>;
  /// What became of a write: `ok` or `io`.
  using write_answer = std::function<void(raft::write_id, errc)>;

  node_files(machine& box, dice thrown, std::uint64_t segment_bytes)
    : box_{box}, dice_{thrown}, segment_bytes_{segment_bytes} {
  }
  node_files(const node_files&) = delete;
  node_files& operator=(const node_files&) = delete;

  enum class found : std::uint8_t {
    whole,
    damaged,
    failed, ///< a flush
  };

  /// Reads the disk after a start. What was read is durable when the disk's
  /// `when_flushed` says so.
  [[nodiscard]] found load();

  /// Why `load` was not `whole`.
  [[nodiscard]] const std::string& problem() const noexcept {
    return problem_;
  }

  /// What a core starts from.
  [[nodiscard]] raft::durable_state state() const;

  [[nodiscard]] const raft::log_image& durable() const noexcept {
    return image_;
  }

  /// The newest snapshot; empty state if there is none.
  [[nodiscard]] const stored_snapshot& snapshot() const noexcept {
    return snapshot_;
  }

  /// Told of each write; set before the first `store`.
  write_answer told;

  void store(const raft::disk_write& write);

  /// The first configuration of a node, durable before it ever runs.
  void found_group(const raft::configuration& members);

  /// Makes a snapshot durable and then forgets older ones. `no_space` at once.
  [[nodiscard]] errc store_snapshot(const stored_snapshot& taken, answer done);

  /// Whether the log has this entry on the disk, or a snapshot beyond it.
  [[nodiscard]] bool holds_durably(raft::log_index index,
                                   raft::term_number term) const;

  /// Changes a bit that is vouched for. False if there is none.
  bool rot_somewhere(dice& thrown);

  [[nodiscard]] std::uint64_t batches() const noexcept {
    return batches_;
  }

  /// For a mistake on purpose: a write is told durable when it was only issued.
  bool answers_before_flush = false;

private:
  void load_snapshots();
  void gather();
  void append();
  void flushed();

  machine& box_;
  dice dice_;
  std::uint64_t segment_bytes_;
  std::optional<storage::durable_log> log_;
  raft::log_image image_{1};
  stored_snapshot snapshot_;
  std::string problem_;
  std::deque<raft::disk_write> waiting_;
  storage::log_batch batch_{0};
  storage::batch_number number_ = 0;
  std::vector<raft::disk_write> pieces_; ///< that the batch holds
  std::vector<raft::write_id> ends_;     ///< writes that end with it
  std::uint64_t batches_ = 0;
  std::uint64_t snapshots_begun_ = 0;
  bool busy_ = false;
};

} // namespace neuroplex::sim
