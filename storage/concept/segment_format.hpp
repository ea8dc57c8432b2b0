// The bytes of a segment file of concept memory; shared by who writes and who
// reads.
//
// A file is written once, under another name, and never changed after it has
// its own. It holds concepts that changed, each with all associations from it,
// as they were at one sequence number. Of several files the one with the
// highest number has the last word on a concept; one that says it was forgotten
// is a word as well.
//
//   header                     256 bytes
//   concepts                   128 bytes each, sorted by id
//   associations                64 bytes each, those of a concept together
//   types                      names and phrases, as attribute_list writes them
//   vectors                    f32, one after the other
//   content                    content and attributes, LZ4 where it pays
//   bloom                      which ids the file may hold
//
// All numbers are little-endian. Sections begin at multiples of 64. Checksums
// are XXH3 (64 bits): one of the header, one a section, one in each record over
// the record, and one a concept over its content and vector, so that a record
// can be trusted without reading the file.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace neuroplex::concepts::segment_format {

static_assert(std::endian::native == std::endian::little,
              "a big-endian machine would have to swap");

inline constexpr std::uint32_t version = 1;
inline constexpr std::uint64_t magic = 0x3147455350434C4EU; // NLCPSEG1
inline constexpr std::uint64_t section_unit = 64;

struct section {
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t checksum;
};

struct file_header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t dimensions;   ///< of all vectors; 0: there are none
  std::uint64_t first_number; ///< files from this one on are replaced by it
  std::uint64_t number;
  std::uint64_t sequence; ///< what it holds is as of this entry
  std::int64_t created_us;
  std::uint64_t concept_count;
  std::uint64_t association_count;
  section concepts;
  section associations;
  section types;
  section vectors;
  section content;
  section bloom;
  std::array<std::uint8_t, 40> reserved;
  std::uint64_t checksum; ///< of all above
};
static_assert(sizeof(file_header) == 256);

/// `flags` of a concept.
inline constexpr std::uint32_t is_forgotten = 1;
inline constexpr std::uint32_t has_vector = 2;
inline constexpr std::uint32_t is_compressed = 4;

struct concept_entry {
  std::uint64_t id_high;
  std::uint64_t id_low;
  float strength;
  float confidence;
  std::int64_t created_us;
  std::int64_t changed_us;
  std::uint64_t first_association; ///< place among all
  std::uint32_t association_count;
  std::uint32_t flags;
  std::uint64_t vector_offset;  ///< in bytes within its section
  std::uint64_t content_offset; ///< likewise
  std::uint32_t stored_bytes;   ///< of content and attributes, as stored
  std::uint32_t content_bytes;
  std::uint32_t attribute_bytes;
  std::uint32_t reserved;
  std::uint64_t body_checksum; ///< of vector and stored content
  std::array<std::uint8_t, 24> reserved_too;
  std::uint64_t checksum; ///< of all above
};
static_assert(sizeof(concept_entry) == 128);

struct association_entry {
  std::uint64_t source_high;
  std::uint64_t source_low;
  std::uint64_t target_high;
  std::uint64_t target_low;
  std::uint16_t type;
  std::uint16_t qualifier;
  float weight;
  float confidence;
  std::uint32_t reserved;
  std::uint64_t reserved_too;
  std::uint64_t checksum; ///< of all above
};
static_assert(sizeof(association_entry) == 64);

/// Of the bloom filter: bits for each concept, and bits that an id sets.
inline constexpr std::uint64_t bloom_bits_a_concept = 10;
inline constexpr unsigned bloom_probes = 7;

constexpr std::uint64_t aligned(std::uint64_t offset) noexcept {
  return (offset + section_unit - 1) / section_unit * section_unit;
}

} // namespace neuroplex::concepts::segment_format
