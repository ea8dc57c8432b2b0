// The bytes of a segment of the durable log; shared by who writes and who
// reads.
//
// A segment is a file of a fixed size: a head, then batches, then zeros or what
// an earlier use of the file left. A batch is what became durable at once: a
// head, then records. All numbers are little-endian; a batch begins at a
// multiple of `unit`.
//
// Every batch has a number, one more than the one before, across segments. One
// is written only after the one before is durable, so that a whole batch
// vouches for all before it: a torn tail has none after it, damage has.
//
// Checksums are XXH3 (64 bits) and begin with the salt of their segment, a
// number that no client knows: neither what an earlier use of the file left nor
// what a client stored can be taken for a batch.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace neuroplex::storage::log_format {

static_assert(std::endian::native == std::endian::little,
              "a big-endian machine would have to swap");

inline constexpr std::uint32_t version = 1;
inline constexpr std::uint64_t segment_magic = 0x31474F4C'584C504EU; // NPLXLOG1
inline constexpr std::uint32_t batch_magic = 0x48435442U;            // BTCH
inline constexpr std::uint64_t unit = 16;

struct segment_head {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  std::array<std::uint8_t, 16> cluster;
  std::uint64_t node;
  std::uint64_t segment;     ///< one more than that of the segment before
  std::uint64_t first_batch; ///< all before are durable
  std::uint64_t bytes;       ///< of the whole file
  std::uint64_t salt;
  std::uint64_t checksum; ///< of all above
};
static_assert(sizeof(segment_head) == 80);

struct batch_head {
  std::uint32_t magic;
  std::uint32_t records;
  std::uint64_t number;
  std::uint64_t bytes;         ///< of the records
  std::uint64_t head_checksum; ///< of all above
  std::uint64_t checksum;      ///< of all above and of the records
  std::uint64_t reserved;
};
static_assert(sizeof(batch_head) == 48);

struct record_head {
  std::uint64_t group;
  std::uint64_t term;
  std::uint64_t index;
  std::uint32_t bytes; ///< of the payload
  std::uint8_t kind;
  std::uint8_t reserved[3];
};
static_assert(sizeof(record_head) == 32);

constexpr std::uint64_t padded(std::uint64_t bytes) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

} // namespace neuroplex::storage::log_format
