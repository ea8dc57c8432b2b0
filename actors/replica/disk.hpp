// The disk of all replicas of a node: one log that they share, and a snapshot
// of each.
//
// Purpose: what gathers while the disk is busy becomes one batch with one
// flush. A snapshot stands for all records before it, so the log can let them
// go.
//
//   states/NAME = magic u64, XXH3 of the rest u64, then the snapshot
//
// Ownership and threads: owns log and directories. `submit` and `report` may be
// called by any thread; `open` and `write_waiting` by one, which blocks.
//
// Invariants:
//  1. Records of a replica become durable in the order of their submission.
//  2. After a start each replica is what its records that were told as written
//     made of it, and perhaps later ones.
//
// Failure behaviour: `open` says what is wrong with the directory; damage is
// `corrupt`, with the file. After a failed write nothing more is written, and
// every call says why.
#pragma once

#include "actors/replica/core.hpp"
#include "storage/log/durable_log.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::replica {

/// One shard of a namespace.
struct shard_name {
  std::string space{};
  std::uint32_t shard = 0;

  friend auto operator<=>(const shard_name&, const shard_name&) = default;
};

struct disk_options {
  std::string directory{};
  std::string cluster = "local";
  std::uint32_t node = 0;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t snapshot_after_bytes = std::uint64_t{16} << 20;
  std::uint64_t seed = 0; ///< of the log's salts; take it from the system
};

/// What one replica wants written.
struct disk_job {
  shard_name whose{};
  std::vector<record> records{};
  std::optional<std::string> snapshot{}; ///< as of the last of `records`
};

struct disk_report {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t snapshots = 0;
  std::string problem{};
};

class disk {
public:
  /// `config`, `locked`, `bad_path`, `corrupt`, or any code of the log.
  static expected<std::unique_ptr<disk>>
  open(const disk_options& options, const std::vector<shard_name>& shards);

  disk(const disk&) = delete;
  disk& operator=(const disk&) = delete;

  /// What was there at the start; once.
  [[nodiscard]] recovered_state take_recovered(const shard_name& whose);

  void submit(disk_job what);

  struct written_part {
    shard_name whose{};
    std::uint64_t sequence = 0; ///< all records up to it are durable
    bool wants_snapshot = false;
  };

  /// Writes what has gathered, and answers what became durable.
  [[nodiscard]] expected<std::vector<written_part>> write_waiting();

  [[nodiscard]] disk_report report() const;

private:
  struct shard_files {
    std::uint64_t group = 0;
    recovered_state recovered{};
    std::uint64_t bytes_since_snapshot = 0;
  };

  explicit disk(const disk_options& options) : options_{options} {
  }

  expected<void> begin(const std::vector<shard_name>& shards);
  expected<void> load(const shard_name& whose, shard_files& into);
  expected<void> append(const std::vector<disk_job>& jobs);
  expected<void> keep(const std::vector<disk_job>& jobs,
                      storage::batch_number first);

  disk_options options_;
  std::unique_ptr<memory::disk_directory> states_;
  std::optional<storage::durable_log> log_;
  std::map<shard_name, shard_files> shards_;

  mutable std::mutex mutex_; // for the two that follow
  std::vector<disk_job> waiting_;
  disk_report report_;
};

/// The number by which the log knows a shard.
[[nodiscard]] std::uint64_t group_of(const shard_name& whose);

} // namespace neuroplex::replica
