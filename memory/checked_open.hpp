// Opening a segment that may have been left in any state: after SIGKILL of all
// who used it, or on a disk whose power failed.
//
// After a kill the file is as the last instruction left it; attaching recovers
// the dead (store.hpp), and every entry's checksum is compared besides.
//
// After a loss of power pages of the file may be of different age. Then nothing
// in it but whole entries is believed: they are copied into a new segment that
// takes the file's place. An entry is kept if its block lies in the file, its
// checksum fits its key and value, and its key belongs where the index names
// it. Such an entry was stored under its key once; that it is the newest cannot
// be known, for that there are backups.
//
// Threads: one; nobody else should open the segment meanwhile. Failure
// behaviour: nothing was changed, unless the answer says otherwise.
#pragma once

#include "memory/backup.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::memory {

/// What a segment was found to hold.
struct check_report {
  bool clean = false;        ///< whoever used it last had left it properly
  bool power_lost = false;   ///< it was in use when the machine last stopped
  bool rebuilt = false;      ///< the entries were copied into a new file
  std::uint64_t entries = 0; ///< whole, and kept
  std::uint64_t bytes = 0;   ///< of their keys and values
  std::uint64_t corrupt = 0; ///< dropped: the checksum was wrong
  std::uint64_t astray = 0;  ///< dropped: named where no reader would look,
                             ///< twice, or in a namespace that is not there
  std::uint64_t expired = 0; ///< dropped in a rebuilt segment
  std::uint64_t recovered_threads = 0; ///< cleaned up after
};

struct checked_store {
  store segment;
  check_report report;
};

/// Opens the segment at `path` and checks every entry. `corrupt` under
/// repair_policy::refuse when any is damaged; `locked` when another process is
/// checking it; and whatever store::open answers.
expected<checked_store>
open_checked(const std::string& path,
             repair_policy policy = repair_policy::refuse);

/// A segment as somebody who starts on it found it.
struct found_segment {
  store segment;
  bool made = false;    ///< there was none
  bool checked = false; ///< every entry was read
  bool shared = false;  ///< others are using it
  check_report report;  ///< if not checked: as the segment's counters tell

  /// All that in one line.
  [[nodiscard]] std::string describe() const;
};

/// For a program that comes back to its segment: makes it if there is none;
/// opens it if it is in use, was left properly, or was left by a kill (what is
/// in memory is whole then, and every read compares a checksum anyway); opens
/// it checked, keeping what is whole, if the machine was stopped since it was
/// last used, however it was left: nobody can say how much of it had been
/// written by then.
expected<found_segment> open_or_create_checked(const std::string& path,
                                               const segment_options& options);

} // namespace neuroplex::memory
