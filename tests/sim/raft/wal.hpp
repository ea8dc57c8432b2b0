// The log and the snapshots of one simulated Raft node, as bytes on its disk.
//
// Purpose: what the driver of a core must keep. One file of records at a time;
// each is checksummed, names the record before it by that one's checksum, and
// says up to which record the file was known to be durable when it was written.
// So a tail that a crash tore can be told from damage to what was durable: only
// the latter has a later record that vouches for it. Compaction begins the next
// file with the whole state.
//
// Threads: none; belongs to the kernel.
//
// Invariants:
//  1. `load` returns all writes whose `store` was answered with ok, in order,
//  or
//     says `damaged`.
//  2. `image` is what `load` would return if nothing were lost.
//
// Failure: damage of what was durable is `damaged`, never a shorter log. Damage
// to the last record cannot be told from a torn tail by any log: rot is placed
// by `rot_somewhere` where something vouches for the bytes.
#pragma once

#include "consensus/raft/effects.hpp"
#include "tests/sim/machine.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::sim {

/// A snapshot as the state machine gives it.
struct stored_snapshot {
  raft::snapshot_meta meta{};
  std::string state{};
};

class wal {
public:
  using answer = std::function<void(errc)>;

  explicit wal(machine& box) : box_{box} {
  }

  enum class found : std::uint8_t { nothing, whole, damaged };

  /// Reads the disk after a start.
  [[nodiscard]] found load();

  /// What the disk holds, with writes that are under way.
  [[nodiscard]] const raft::durable_state& image() const noexcept {
    return image_;
  }

  /// What it holds even after a crash that keeps nothing else.
  [[nodiscard]] const raft::durable_state& durable() const noexcept {
    return durable_;
  }

  /// The newest snapshot; empty state if there is none.
  [[nodiscard]] const stored_snapshot& snapshot() const noexcept {
    return snapshot_;
  }

  /// `no_space` at once if there is no room, else answers when it is durable
  /// or failed.
  [[nodiscard]] errc store(const raft::disk_write& write, answer done);

  /// The first configuration of a node, durable before it ever runs.
  void found_group(const raft::configuration& members);

  /// Makes a snapshot durable and then forgets older ones.
  [[nodiscard]] errc store_snapshot(const stored_snapshot& taken, answer done);

  /// Whether the log has this entry on the disk, or a snapshot beyond it.
  [[nodiscard]] bool holds_durably(raft::log_index index,
                                   raft::term_number term) const;

  /// Changes a bit that a later durable record vouches for. False if there is
  /// none.
  bool rot_somewhere(dice& thrown);

  /// For mistakes on purpose: take damage in the middle for a torn tail.
  bool cuts_damage = false;

private:
  struct record_place {
    std::size_t offset;
    std::size_t size;
    std::uint64_t vouches_for; ///< the file's records up to this number
  };

  [[nodiscard]] errc append(std::string_view payload);
  void sync(const raft::disk_write& write, answer done);
  [[nodiscard]] errc begin_file(const raft::disk_write& write);
  [[nodiscard]] found load_file(std::uint64_t number);
  void load_snapshots();

  machine& box_;
  raft::durable_state image_;
  raft::durable_state durable_; ///< the same, of what was answered
  stored_snapshot snapshot_;
  std::uint64_t file_ = 0;
  raft::log_index base_ = 0; ///< the log of the image begins after it
  raft::log_index durable_base_ = 0;
  std::size_t synced_records_ = 0;
  std::uint64_t last_checksum_ = 0;
  std::size_t end_ = 0;
  std::vector<record_place> places_; ///< the file's records
};

} // namespace neuroplex::sim
