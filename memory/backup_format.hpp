// The format of a backup, version 1: every structure in its files.
//
// A backup is a directory with a base file, which holds every entry, and a log
// file, to which each further generation appends what changed.
//
//   base-<generation>.npb   file header, frames of one generation
//   log-<generation>.npb    file header, frames of generation after generation;
//                           named as the base it belongs to
//   base.tmp                a base that is being written; never read
//   lock                    held by the writer
//
// Frame: header, table, payload. A generation is a number of region frames, a
// frame of namespaces, and a commit frame. Generations without a commit frame
// at the end of the log were never finished and do not count.
//
// Region frame: one table row a region, and the region's record in the payload.
// A record holds all entries of the region, so it takes the place of every
// older record of it; what is in no newer record has not changed. Some entries
// are only named ("kept": long ones that an older generation of these files
// holds as they are).
//
// Entry: entry_header, then 8 bytes of expiry if flagged, key, value; of a kept
// one the 8 bytes of its key's hash instead. Not aligned.
//
// All numbers are little-endian; checksums are XXH3, seeded so that a frame is
// good in one place of one file only.
#pragma once

#include "memory/hash.hpp"
#include "memory/inline_layout.hpp"
#include "memory/layout.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::memory::backup_format {

static_assert(std::endian::native == std::endian::little,
              "a machine of the other byte order has to swap");

inline constexpr std::uint64_t file_magic = 0x50554B434142504E; // NPBACKUP
inline constexpr std::uint32_t frame_magic = 0x4642504E;        // "NPBF"
inline constexpr std::uint32_t version = 1;

inline constexpr std::string_view base_prefix = "base-";
inline constexpr std::string_view log_prefix = "log-";
inline constexpr std::string_view suffix = ".npb";
inline constexpr std::string_view unfinished_name = "base.tmp";

enum class file_kind : std::uint32_t { base = 1, log = 2 };

/// What restores the shape of the segment, and who belongs to whom.
struct file_header {
  std::uint64_t magic;
  std::uint32_t version;
  file_kind kind;
  std::uint64_t chain_id;        ///< random; of a base and its log
  std::uint64_t base_generation; ///< of the base
  std::uint64_t segment_id;      ///< creation id of the segment
  std::uint64_t segment_bytes;   ///< committed when the file was made
  std::uint64_t reserved_bytes;
  std::uint64_t bucket_count; ///< lines of the open index table
  std::uint32_t region_count;
  std::uint32_t layout_version; ///< of the segment
  std::int64_t made_at_ms;
  std::uint8_t reserved[40];
  std::uint64_t checksum; ///< of all before it
};
static_assert(sizeof(file_header) == 128);

enum class frame_kind : std::uint32_t {
  regions = 1,
  namespaces = 2,
  commit = 3
};

struct frame_header {
  std::uint32_t magic;
  frame_kind kind;
  std::uint64_t generation;
  std::uint32_t rows; ///< of the table
  std::uint32_t entries;
  std::uint64_t payload_bytes;
  std::uint64_t table_checksum;   ///< of the table
  std::uint64_t payload_checksum; ///< 0 in a region frame: its rows have them
  std::uint64_t reserved;
  std::uint64_t checksum; ///< of all before it, seeded with the place
};
static_assert(sizeof(frame_header) == 64);

struct region_row {
  std::uint32_t region;
  std::uint32_t entries; ///< kept ones included
  std::uint64_t bytes;   ///< of the record
  std::uint64_t checksum;
};
static_assert(sizeof(region_row) == 24);

/// Layout as in the segment's blocks, so that an entry's checksum is good here
/// and there. A value that entries share is in the record of each.
using entry_header = layout::entry_fields;

/// Flag of an entry, beside those of the segment: only named here.
inline constexpr std::uint8_t flag_kept = 0x80;
inline constexpr std::uint8_t known_flags = layout::entry_flags | flag_kept;

inline constexpr std::uint8_t flags_of(const entry_header& entry) noexcept {
  return static_cast<std::uint8_t>(entry.kind >> 24);
}

/// Bytes of an entry in a record.
inline constexpr std::uint64_t bytes_of(const entry_header& entry) noexcept {
  if ((flags_of(entry) & flag_kept) != 0)
    return sizeof(entry_header) + sizeof(std::uint64_t);
  return sizeof(entry_header)
         + (entry.expires() ? sizeof(std::int64_t) : std::size_t{0})
         + entry.key_bytes() + entry.value_bytes;
}

/// Payload of a namespaces frame is a number of these, each followed by its
/// name.
struct namespace_row {
  std::uint8_t id;
  std::uint8_t policy;
  std::uint8_t priority_class;
  std::uint8_t compression;
  std::uint8_t name_bytes;
  std::uint8_t is_inline; ///< 1: `reserved` begins with its inline_shape
  std::uint8_t reserved_0[2];
  std::uint64_t quota_bytes;
  std::uint64_t default_ttl_ms;
  std::uint64_t reserved[4]; ///< of an inline one: its inline_shape
  std::uint32_t share_from;
  std::uint32_t reserved_1;
};
static_assert(sizeof(namespace_row) == 64);
static_assert(sizeof(layout::inline_shape) <= sizeof(namespace_row::reserved));

/// Payload of a commit frame: what its generation holds.
struct commit_totals {
  std::uint64_t entries; ///< in region frames, kept ones included
  std::uint64_t regions;
  std::uint64_t frame_bytes; ///< of all frames before the commit
  std::uint64_t corrupt;     ///< entries found damaged in the segment, left out
  std::int64_t at_ms;
  std::uint64_t reserved;
};
static_assert(sizeof(commit_totals) == 48);

inline std::uint64_t checksum_of(const file_header& header) noexcept {
  return XXH3_64bits(&header, offsetof(file_header, checksum));
}

/// Seed of all checksums of a frame that begins at `offset` of a file of kind
/// `kind`.
inline std::uint64_t place_seed(std::uint64_t chain_id, file_kind kind,
                                std::uint64_t offset) noexcept {
  return chain_id ^ offset * 0x9E3779B185EBCA87ULL
         ^ static_cast<std::uint64_t>(kind) << 56;
}

inline std::uint64_t checksum_of(const frame_header& header,
                                 std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(&header, offsetof(frame_header, checksum), seed);
}

inline std::uint64_t checksum_of(const void* data, std::size_t size,
                                 std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data, size, seed);
}

} // namespace neuroplex::memory::backup_format
