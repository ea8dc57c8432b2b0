// The format of a table of an inline namespace: entries of one key size and one
// value size, in a run of pool memory of their own.
//
//   offset 0      inline_header, written once, checksummed
//          128    group lines, 64 bytes each
//          ...    records, 48 for each group, in the order of their groups
//
// Group line (64 bytes): 48 tags of a byte, then `word` of 16 bytes.
//   word   bits 0-47 which records are published, 48-53 how many groups beyond
//          this one its entries may lie in, 64-127 version. Each change of the
//          word adds one to the version.
//
// Record: `word` as that of a block (layout.hpp), checksum, 8 bytes of expiry
// if the table has them, key, value; rounded up to 8 bytes. A record is visible
// while its bit is set and its state is live.
#pragma once

#include "memory/hash.hpp"
#include "memory/layout.hpp"
#include "memory/wide_word.hpp"

#include <bit>

namespace neuroplex::memory::layout {

inline constexpr unsigned records_per_group = 48;
inline constexpr std::uint64_t published_mask =
  (std::uint64_t{1} << records_per_group) - 1;

/// A record of each group stays free, for replacements to be written to.
inline constexpr unsigned most_published = records_per_group - 1;

/// Groups that an entry may lie in.
inline constexpr unsigned max_group_probes = 64;

inline constexpr unsigned probe_shift = records_per_group;
inline constexpr std::uint64_t probe_one = std::uint64_t{1} << probe_shift;
static_assert(max_group_probes <= 1U << (wide_bit_count - probe_shift));

/// How many groups beyond the home group are to be looked at.
constexpr unsigned probe_of_group(std::uint64_t group_bits) noexcept {
  return static_cast<unsigned>(group_bits >> probe_shift)
         & (max_group_probes - 1);
}

/// Entries promised for ten groups; the rest is slack for uneven groups.
inline constexpr std::uint64_t capacity_of_ten_groups = 461;

inline constexpr std::uint32_t inline_magic = 0x4E4C4E49; // "INLN"
inline constexpr std::uint64_t inline_header_bytes = 128;
inline constexpr std::uint64_t record_fixed_bytes = 12; ///< word and checksum

/// What a table is made for.
struct inline_shape {
  std::uint32_t magic;
  std::uint32_t key_bytes;
  std::uint32_t value_bytes;
  std::uint32_t groups;
  std::uint32_t has_expiry; ///< 0 or 1
  std::uint32_t reserved;
  std::uint64_t capacity; ///< entries promised

  [[nodiscard]] std::uint64_t key_offset() const noexcept {
    return record_fixed_bytes + (has_expiry != 0 ? sizeof(std::int64_t) : 0);
  }

  [[nodiscard]] std::uint64_t value_offset() const noexcept {
    return key_offset() + key_bytes;
  }

  [[nodiscard]] std::uint64_t record_bytes() const noexcept {
    constexpr std::uint64_t step = 8;
    return (value_offset() + value_bytes + step - 1) & ~(step - 1);
  }

  [[nodiscard]] std::uint64_t records_offset() const noexcept {
    constexpr std::uint64_t step = 128; // records of 128 bytes lie on two lines
    auto end = inline_header_bytes + groups * line_bytes;
    return (end + step - 1) & ~(step - 1);
  }

  [[nodiscard]] std::uint64_t table_bytes() const noexcept {
    return records_offset()
           + std::uint64_t{groups} * records_per_group * record_bytes();
  }
};
static_assert(sizeof(inline_shape) == 32);

struct inline_header {
  inline_shape shape;
  std::uint64_t checksum; ///< XXH3 of the shape
};

template <class Sync>
struct alignas(64) group_line {
  typename Sync::template atomic<std::uint8_t> tags[records_per_group];
  wide_word<Sync> word;
};
static_assert(sizeof(group_line<native_sync>) == line_bytes);

/// Intents of inline tables, beside those of blocks (intent_kind): the top byte
/// is this, then 8 bits of namespace, 32 of group, and the numbers of the old
/// and the new record or `no_record`.
inline constexpr std::uint64_t inline_intent = 8;
inline constexpr unsigned no_record = 63;

constexpr std::uint64_t make_inline_intent(std::uint8_t ns, std::uint32_t group,
                                           unsigned old_record,
                                           unsigned new_record) noexcept {
  return inline_intent << intent_kind_shift | std::uint64_t{ns} << 48
         | std::uint64_t{group} << 16 | std::uint64_t{old_record} << 8
         | new_record;
}

constexpr bool is_inline_intent(std::uint64_t intent) noexcept {
  return intent >> intent_kind_shift == inline_intent;
}

constexpr std::uint8_t inline_intent_ns(std::uint64_t intent) noexcept {
  return static_cast<std::uint8_t>(intent >> 48);
}

constexpr std::uint32_t inline_intent_group(std::uint64_t intent) noexcept {
  return static_cast<std::uint32_t>(intent >> 16);
}

constexpr unsigned inline_intent_old(std::uint64_t intent) noexcept {
  return static_cast<unsigned>(intent >> 8) & 0xFFU;
}

constexpr unsigned inline_intent_new(std::uint64_t intent) noexcept {
  return static_cast<unsigned>(intent) & 0xFFU;
}

/// Bit i is set when the group's tag i equals `tag`.
template <class Sync>
NEUROPLEX_INLINE std::uint64_t match_group(const group_line<Sync>& line,
                                           std::uint8_t tag) noexcept {
  std::uint64_t result = 0;
#if defined(__x86_64__) && !defined(NEUROPLEX_TSAN)
  if constexpr (std::is_same_v<Sync, native_sync>) {
    auto wanted = _mm_set1_epi8(static_cast<char>(tag));
    constexpr unsigned step = sizeof(__m128i);
    for (unsigned i = 0; i < records_per_group; i += step) {
      auto present =
        _mm_load_si128(reinterpret_cast<const __m128i*>(line.tags + i));
      auto equal = static_cast<unsigned>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(present, wanted)));
      result |= std::uint64_t{equal} << i;
    }
    return result;
  }
#endif
  for (unsigned i = 0; i < records_per_group; ++i)
    if (line.tags[i].load(std::memory_order_acquire) == tag)
      result |= std::uint64_t{1} << i;
  return result;
}

} // namespace neuroplex::memory::layout
