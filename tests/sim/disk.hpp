// A disk whose writes are safe only once they were synced.
//
// Purpose: files of bytes behind a page cache. A write is seen by the machine
// at once and is durable when a later `sync` of the file has answered. At a
// crash each write that was not synced is kept, lost, or torn between sectors,
// in no order. A sync may be slow, or fail; after a failure, as on Linux, the
// pages count as clean: what did not reach the disk never will, though it can
// be read until the machine stops. Appending to a file makes it durable with
// its name; removing one counts at once.
//
// Threads: none; belongs to the kernel. Answers come as events of the machine,
// and not at all after a crash.
//
// Invariants:
//  1. What a successful sync covered survives every crash, until `rot`.
//  2. Syncs answer in the order in which they were asked for.
//  3. Sectors are written whole or not at all.
#pragma once

#include "memory/status.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace neuroplex::sim {

inline constexpr std::size_t sector_bytes = 512;

class disk {
public:
  using bytes = std::vector<std::byte>;
  using answer = std::function<void(errc)>;

  /// `deliver` runs an answer on the machine, unless that crashed meanwhile.
  disk(kernel& world, const plan& faults, std::uint64_t number,
       std::function<void(std::function<void()>)> deliver);

  /// Seen by `read` at once; not durable. `no_space` while the disk is full.
  [[nodiscard]] errc write(const std::string& file, std::size_t offset,
                           std::span<const std::byte> data);

  /// Answers `ok` when all that was written to the file before is durable, or
  /// `io`.
  void sync(const std::string& file, answer done);

  void remove(const std::string& file);

  /// Puts a file there, durably, before the run begins.
  void prepare(const std::string& file, const bytes& content);

  /// What the machine sees; empty where there is no such file.
  [[nodiscard]] const bytes& read(const std::string& file) const;

  [[nodiscard]] std::vector<std::string> list() const;

  /// The machine stops: settles what was not synced.
  void crash();

  /// Loses everything: a new disk.
  void wipe();

  /// Changes one bit of what is durable.
  void rot(const std::string& file, std::size_t offset, unsigned bit);

  void set_full(bool full) noexcept {
    full_ = full;
  }

  /// No stalls and no failures from now on, but what is under way takes until
  /// `busy_until`.
  void calm() noexcept;

  [[nodiscard]] nanoseconds busy_until() const noexcept {
    return last_answer_;
  }

  struct counts {
    std::uint64_t syncs = 0;
    std::uint64_t failed_syncs = 0;
    std::uint64_t stalls = 0;
    std::uint64_t refused = 0;
    std::uint64_t kept = 0;
    std::uint64_t lost = 0;
    std::uint64_t torn = 0;
    std::uint64_t rotten = 0;
  };

  [[nodiscard]] const counts& seen() const noexcept {
    return counts_;
  }

private:
  struct pending_write {
    std::size_t offset;
    bytes data;
  };

  struct file_state {
    bytes seen;    ///< by the machine
    bytes durable; ///< after a crash that keeps nothing else
    std::vector<pending_write> pending;
  };

  static void put(bytes& into, std::size_t offset,
                  std::span<const std::byte> data);
  void finish_sync(const std::string& file, std::size_t writes, bool fails);
  void settle(file_state& file, const pending_write& write);

  kernel& world_;
  plan faults_;
  dice dice_;
  std::function<void(std::function<void()>)> deliver_;
  std::map<std::string, file_state> files_;
  nanoseconds last_answer_{0};
  std::uint64_t generation_ = 0; ///< of crashes: an old sync must not finish
  bool full_ = false;
  bool calm_ = false;
  counts counts_;
};

} // namespace neuroplex::sim
