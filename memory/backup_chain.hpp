// What a backup directory holds: the newest base, its log, and where in them
// the frames of whole generations lie.
//
// Opening reads and checks all headers, tables and commit frames, and none of
// the entries. What is damaged is left out and told:
//
//   base   a damaged frame is passed over; the frames after it stand alone
//   log    a damaged frame ends the log before its generation, since what it
//          held cannot be told, and what is older might be outdated
//
// Threads: immutable once opened; frames may be read by several at once.
#pragma once

#include "memory/backup_format.hpp"
#include "memory/disk_directory.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::memory::detail {

/// A namespace as a backup holds it.
struct backup_namespace {
  backup_format::namespace_row row{};
  std::string name;
};

/// A region frame whose header and table are whole.
struct backup_frame {
  std::uint64_t offset = 0;
  backup_format::frame_header header{};
};

struct backup_chain {
  backup_format::file_header header{}; ///< of the base
  std::unique_ptr<disk_file> base;
  std::unique_ptr<disk_file> log; ///< null when there is none
  std::string log_name;
  std::vector<backup_frame> base_frames;
  std::vector<backup_frame> log_frames; ///< of whole generations, in order
  std::vector<backup_namespace> namespaces;
  std::uint64_t generation = 0;   ///< the last whole one
  std::uint64_t highest_seen = 0; ///< generation of any frame or file
  std::int64_t made_at_ms = 0;
  std::uint64_t file_bytes = 0; ///< of both files
  std::uint64_t base_bytes = 0;
  std::uint64_t log_end = 0;          ///< behind the last whole generation
  std::uint64_t ignored_bytes = 0;    ///< behind it, and behind the base's end
  std::uint64_t lost_generations = 0; ///< committed, but behind damage
  std::uint64_t lost_entries = 0;     ///< of the base, in frames passed over
  std::uint64_t damaged_frames = 0;   ///< and other damage that was passed over

  /// Opens the newest base of the directory. `not_found` when there is none,
  /// `version`, `corrupt` when not even its header is good.
  static expected<backup_chain> open(disk_directory& medium);
};

/// Reads and checks the table of a frame. False: damaged.
expected<bool> read_table(const disk_file& file,
                          const backup_format::file_header& header,
                          const backup_frame& frame,
                          std::vector<backup_format::region_row>& rows);

/// Number in a file name of the form <prefix><generation>.npb; 0 for others.
std::uint64_t generation_in(const std::string& name, std::string_view prefix);

/// The name for a number.
std::string file_name(std::string_view prefix, std::uint64_t generation);

} // namespace neuroplex::memory::detail
