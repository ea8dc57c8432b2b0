// Backup of a segment to a directory, and the way back.
//
// Purpose: a copy on disk that follows the segment at the price of what
// changes. The first generation is a base with every entry; each further one is
// appended to a log and holds the regions that were written to since. When the
// log has grown past a share of the base, the next generation is a base again.
//
// A backup is a point in time for each entry: every entry in it was live at
// some moment while its generation was written, an entry that nobody touched
// meanwhile is in it, and one that was removed before is not.
//
// Ownership: a `backup_writer` refers to a store, which must outlive it, and
// holds the directory; one writer a directory and one a segment. Threads: one
// thread at a time for a writer; the store's users go on beside it and never
// wait for it. `restore_backup` and `verify_backup` may run while a writer
// writes.
//
// Invariants:
//  1. What was a whole backup before an operation is one after it, however the
//     operation ends: killed, out of space, or refused by the disk.
//  2. A generation counts from the moment its commit frame is on the disk.
//  3. No byte from a file is used that a checksum does not vouch for.
//
// Failure behaviour: `expected` with one line for a person. After a failure the
// writer may be called again: it takes up the changes that it could not write.
#pragma once

#include "memory/disk_directory.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace neuroplex::memory {

struct backup_options {
  /// A new base is written when the log is larger than this share of the base.
  unsigned fold_percent = 100;

  /// `config` with the field named when a value is out of range.
  [[nodiscard]] expected<void> validate() const;
};

/// One generation, as it was written.
struct backup_report {
  std::uint64_t generation = 0;
  bool base = false;         ///< holds everything, not just what changed
  bool written = false;      ///< false: nothing had changed since the last
  std::uint64_t entries = 0; ///< written, or named as unchanged
  std::uint64_t kept = 0;    ///< long ones that were only named
  std::uint64_t corrupt = 0; ///< damaged in the segment, left out
  std::uint64_t bytes = 0;   ///< written to the files
  std::uint64_t regions = 0; ///< that had changed
  std::int64_t took_ns = 0;  ///< from the first step to the commit
};

namespace detail {
class backup_writer_impl;
} // namespace detail

class backup_writer {
public:
  /// Opens the directory, made if there is none, to back `source` up into.
  /// Goes on with what is there if it is this segment's, and begins with a new
  /// base otherwise. `locked` when another writer has directory or segment,
  /// `read_only`, `bad_path`, `io`, `version`.
  static expected<backup_writer> open(store& source,
                                      const std::string& directory,
                                      const backup_options& options = {});

  /// The same on any medium.
  static expected<backup_writer> open(store& source,
                                      std::unique_ptr<disk_directory> medium,
                                      const backup_options& options = {});

  backup_writer(backup_writer&&) noexcept;
  backup_writer& operator=(backup_writer&&) noexcept;
  ~backup_writer();

  /// Writes one generation from begin to end.
  expected<backup_report> run_once();

  /// Does a bounded piece of the generation that is being written, or of the
  /// next one: about `budget_bytes`, and at least one region. Answers the
  /// report when that was the last piece.
  expected<std::optional<backup_report>> step(std::uint64_t budget_bytes);

  /// Whether a generation has been begun and not finished.
  [[nodiscard]] bool in_progress() const noexcept;

private:
  explicit backup_writer(
    std::unique_ptr<detail::backup_writer_impl> impl) noexcept;

  std::unique_ptr<detail::backup_writer_impl> impl_;
};

/// What to do about damage.
enum class repair_policy : std::uint8_t {
  refuse, ///< answer `corrupt` and change nothing
  repair, ///< keep all that is provably whole, and count the rest
};

/// Called now and then with how much is done and how much there is.
using backup_progress =
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

struct restore_options {
  repair_policy policy = repair_policy::refuse;

  /// Shape of the new segment; as it was when it was backed up if not given.
  std::optional<segment_options> segment{};

  /// Threads that read and insert; 0 for as many as there are processors.
  unsigned threads = 0;

  /// May be called by several threads, one at a time.
  backup_progress progress{};
};

/// What was found in a backup, and what became of it.
struct restore_report {
  std::uint64_t base_generation = 0;
  std::uint64_t generation = 0;       ///< the last one that counts
  std::uint64_t lost_generations = 0; ///< committed after it, but unreadable
  std::uint64_t entries = 0;          ///< whole and current: restored
  std::uint64_t bytes = 0;            ///< of their keys and values
  std::uint64_t expired = 0;          ///< left out, their time has passed
  std::uint64_t corrupt = 0;          ///< entries that failed their checksum
  std::uint64_t lost = 0;             ///< entries that cannot be read any more
  std::uint64_t damaged_frames = 0; ///< pieces of the files that failed theirs
  std::uint64_t file_bytes = 0;     ///< read
  std::uint64_t ignored_bytes = 0;  ///< of a generation that was never finished
  std::int64_t made_at_ms = 0;      ///< when `generation` was committed
  std::int64_t took_ns = 0;

  /// Whether all that was committed was found as it was written.
  [[nodiscard]] bool intact() const noexcept {
    return corrupt == 0 && lost == 0 && damaged_frames == 0
           && lost_generations == 0;
  }
};

/// Makes a new segment at `path` from the backup in `directory`. The file
/// appears under its name when it is complete. `corrupt` under
/// repair_policy::refuse, `exists`, `no_space`, `version`, `not_found`.
expected<restore_report> restore_backup(const std::string& directory,
                                        const std::string& path,
                                        const restore_options& options = {});
expected<restore_report> restore_backup(disk_directory& medium,
                                        const std::string& path,
                                        const restore_options& options = {});

/// Reads a backup like a restore, and restores nothing. Damage is counted in
/// the report; fails only where there is nothing to read.
expected<restore_report> verify_backup(const std::string& directory,
                                       const backup_progress& progress = {});
expected<restore_report> verify_backup(disk_directory& medium,
                                       const backup_progress& progress = {});

} // namespace neuroplex::memory
