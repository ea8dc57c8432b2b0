// The records of one simulated PBFT replica, as bytes on its disk.
//
// Purpose: what the driver of a core must keep: one file of writes, each a unit
// with a checksum that takes in the one before, so that what was cut off can
// never follow what was written in its place.
//
// Threads: none; belongs to the kernel.
//
// Invariants: `load` gives all writes whose `store` was answered with ok, in
// order, and of the others a first part.
//
// Failure: a write that cannot be read ends the log; the disks of this world
// tear and lose what was not synced, they do not rot.
#pragma once

#include "consensus/pbft/durable.hpp"
#include "tests/sim/machine.hpp"

#include <functional>

namespace neuroplex::sim {

class pbft_log {
public:
  explicit pbft_log(machine& box) : box_{box} {
  }

  /// Reads the disk after a start. What it gives may not be durable.
  [[nodiscard]] pbft::durable_state load();

  /// `no_space` at once, else answers when it is durable or failed.
  [[nodiscard]] errc store(const pbft::disk_write& write,
                           std::function<void(errc)> done);

  /// Writes what was read once more, and answers when it is durable or failed:
  /// a sync that failed before may have left it in memory only.
  [[nodiscard]] errc write_again(std::function<void(errc)> done);

  /// What it holds even after a crash that keeps nothing else.
  [[nodiscard]] const pbft::durable_state& durable() const noexcept {
    return durable_;
  }

private:
  machine& box_;
  std::size_t end_ = 0;
  std::uint64_t last_checksum_ = 0;
  pbft::durable_state durable_;
};

} // namespace neuroplex::sim
