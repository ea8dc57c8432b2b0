// A disk whose writes are safe only once they were synced.
//
// Purpose: files of bytes behind a page cache. A write is seen by the machine
// at once and is durable when a later `sync` of the file has answered. When the
// power goes each write that was not synced is kept, lost, or torn between
// sectors, in no order. A sync may be slow, or fail; after a failure, as on
// Linux, the pages count as clean: what did not reach the disk never will,
// though it can be read until the power goes.
//
// There are two ways to use it. Who lives from event to event calls `sync` and
// is told; names count at once. Code that waits for each of its flushes, as
// `storage/log` does, uses `open_directory`: what it asks for is done at once
// in its eyes, and on the disk when as much time has passed as its flushes
// take, one after the other; `when_flushed` tells its user. Whatever
// that code did after the first flush that had not ended when the machine
// stopped never happened. Names that it changed are durable once they were
// flushed; others are as they were at some moment since.
//
// Threads: none; belongs to the kernel. Answers come as events of the machine,
// and not at all after a crash.
//
// Invariants:
//  1. What a successful sync covered survives every crash, until `rot` or
//     `misdirect`.
//  2. Syncs answer in the order in which they were asked for.
//  3. Sectors are written whole or not at all.
#pragma once

#include "memory/disk_directory.hpp"
#include "memory/status.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace neuroplex::sim {

inline constexpr std::size_t sector_bytes = 512;

/// How a machine stops.
enum class stop : std::uint8_t {
  power_loss,
  kill, ///< of the process: what the kernel has in memory stays
};

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

  /// In the place of whatever is called `to`.
  void rename(const std::string& from, const std::string& to);

  /// Puts a file there, durably, before the run begins.
  void prepare(const std::string& file, const bytes& content);

  /// What the machine sees; empty where there is no such file.
  [[nodiscard]] const bytes& read(const std::string& file) const;

  [[nodiscard]] std::vector<std::string> list() const;

  /// For code that waits for its flushes. One at a time, until the machine
  /// stops.
  [[nodiscard]] std::unique_ptr<memory::disk_directory> open_directory();

  /// Runs `done` when all flushes that such code has asked for so far have
  /// ended; not after a crash.
  void when_flushed(std::function<void()> done);

  /// The machine stops: settles what was not synced.
  void crash(stop how);

  /// Loses everything: a new disk.
  void wipe();

  /// Changes one bit of what is durable.
  void rot(const std::string& file, std::size_t offset, unsigned bit);

  /// Rots a bit of what waiting code wrote, where something that it wrote and
  /// flushed later vouches for it. False if there is no such place.
  bool rot_what_is_vouched_for(dice& thrown);

  /// One of the last writes of waiting code turns out to have landed elsewhere
  /// in its file. False if there was none.
  bool misdirect(dice& thrown);

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
    std::uint64_t misdirected = 0;
    std::uint64_t names_lost = 0;
  };

  [[nodiscard]] const counts& seen() const noexcept {
    return counts_;
  }

private:
  friend class waiting_file;
  friend class waiting_directory;

  struct pending_write {
    std::uint64_t number; ///< of all writes to the disk
    std::size_t offset;
    bytes data;
    std::uint64_t after = 0; ///< so many flushes of waiting code
    bool forgotten = false;  ///< a failed sync did not write it: none ever will
  };

  /// A batch that waiting code wrote and flushed.
  struct landed_write {
    std::size_t offset;
    bytes data;
    bytes before;
    std::uint64_t flush; ///< of batches
  };

  struct inode {
    bytes seen;    ///< by the machine
    bytes durable; ///< without power, and without luck
    std::vector<pending_write> pending;
    std::vector<landed_write> landed;
  };

  using names = std::map<std::string, std::shared_ptr<inode>>;

  struct name_change {
    std::string from;            ///< empty: a new file
    std::string to;              ///< empty: removed
    std::shared_ptr<inode> file; ///< the new one
    std::uint64_t after = 0;
  };

  static void put(bytes& into, std::size_t offset,
                  std::span<const std::byte> data);
  static void change(names& among, const name_change& what);
  inode& file_named(const std::string& name);
  void write(inode& file, std::size_t offset, std::span<const std::byte> data,
             std::uint64_t after);
  [[nodiscard]] nanoseconds draw_sync_time();
  [[nodiscard]] bool draw_failure();
  void finish_sync(inode& file, std::uint64_t last_write, bool fails,
                   bool of_waiting_code);
  static void write_over_forgotten(inode& file, const pending_write& newer);
  void note_landed(inode& file, const pending_write& write);
  [[nodiscard]] errc wait_for_flush(const std::shared_ptr<inode>& file);
  void flush_names(std::uint64_t number);
  void forget_what_never_happened();
  void settle_names();
  void settle(inode& file);
  void tear(inode& file, const pending_write& write);
  [[nodiscard]] std::vector<std::pair<inode*, landed_write*>>
  landed_since(std::uint64_t first_flush, std::uint64_t last_flush);

  kernel& world_;
  plan faults_;
  dice dice_;
  std::function<void(std::function<void()>)> deliver_;
  names names_;         ///< as the machine sees them
  names durable_names_; ///< without power, and without luck
  std::vector<name_change> unflushed_names_;
  nanoseconds last_answer_{0};
  nanoseconds waiting_until_{0};
  std::uint64_t writes_ = 0;
  std::uint64_t flushes_asked_ = 0; ///< by waiting code
  std::uint64_t flushes_ended_ = 0;
  std::uint64_t batch_flushes_ = 0; ///< of files, but for their first bytes
  std::uint64_t generation_ = 0;    ///< of crashes: an old sync must not finish
  bool full_ = false;
  bool calm_ = false;
  counts counts_;
};

} // namespace neuroplex::sim
