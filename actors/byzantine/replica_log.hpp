// What a Byzantine replica must remember, on a disk.
//
// Purpose: keeps the writes of a hybrid core (which holds those of PBFT) in the
// durable log, many with one flush, and reads back the state that they add up
// to. A checkpoint has a file of its own, which is durable before the log
// names it. When the log has grown, the state is written once more at its end
// and what lies before is given back.
//
//   record of the log = an encoded record, or for a checkpoint: sequence
//                       number, length and XXH3 of its file. The kind tells
//                       which (2), the last of a write (1), and one that is
//                       the whole state (4); the term is 0 at the first of a
//                       write
//
// Ownership and threads: refers to the directory of the checkpoints, which
// outlives it. One thread at a time.
//
// Invariants:
//  1. When `write` answers, all of it is durable; after a crash each write is
//     there as a whole or not at all, and none without those before it.
//  2. A checkpoint that the log names is whole.
//
// Failure behaviour: as storage::durable_log. A file that does not have what
// the log says is `corrupt`.
#pragma once

#include "consensus/hybrid/durable.hpp"
#include "memory/disk_directory.hpp"
#include "storage/log/durable_log.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::byzantine {

class replica_log {
public:
  struct opened {
    std::unique_ptr<replica_log> log;
    hybrid::durable_state state{};
    storage::log_recovery met{};
  };

  struct report {
    std::uint64_t flushes = 0;
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t segments = 0;
  };

  static expected<opened> open(std::unique_ptr<memory::disk_directory> where,
                               memory::disk_directory& checkpoints,
                               const storage::log_identity& whose,
                               const storage::log_options& options);

  /// Makes all of it durable. While the disk is full it asks `patience` whether
  /// to try again. After a failure the log is of no use.
  expected<void> write(const std::vector<hybrid::disk_write>& writes,
                       const std::function<bool()>& patience);

  /// To be called when there is nothing to write.
  expected<void> vouch();

  [[nodiscard]] const report& totals() const noexcept {
    return totals_;
  }

private:
  replica_log(storage::durable_log log, memory::disk_directory& checkpoints);

  expected<void> read(const storage::log_record& what);
  expected<std::optional<hybrid::record>>
  decode(const storage::log_record& what);
  expected<void> add_all(const std::vector<hybrid::record>& records,
                         std::uint8_t kind,
                         const std::function<bool()>& patience);
  expected<void> add(const hybrid::record& what, std::uint8_t kind, bool first,
                     const std::function<bool()>& patience);
  expected<void> flush(const std::function<bool()>& patience);
  expected<std::string> keep(const pbft::checkpoint_record& what);
  expected<void> begin_anew(const std::function<bool()>& patience);
  void forget_checkpoints();

  storage::durable_log log_;
  storage::log_batch batch_;
  memory::disk_directory& checkpoints_;
  hybrid::durable_state state_;
  std::vector<hybrid::record> unfinished_; // of a write whose end is missing
  report totals_;
};

} // namespace neuroplex::byzantine
