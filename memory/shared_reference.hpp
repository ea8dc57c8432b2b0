// What an entry holds whose value is shared with others: the name of a content.
//
// A content is stored once in a namespace of its own that belongs to the
// namespace whose entries refer to it (layout::namespace_state::contents), as
// two entries:
//
//   the record  key: XXH3-128 of the bytes; value: the content's number. Its
//               stamp is the count of the entries that refer to the content.
//               It never moves, so that the count can be changed in place.
//   the bytes   key: the number; value: the bytes, as they are or packed.
//
// Numbers are given out once in the life of a segment: what a number names
// never changes, it is there or not.
//
// Threads: plain values.
#pragma once

#include "memory/layout.hpp"
#include "memory/stamp.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <xxhash.h>

namespace neuroplex::memory {

/// XXH3-128 of a value; the key of a content's record.
struct content_hash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  [[nodiscard]] std::string_view key() const noexcept {
    return {reinterpret_cast<const char*>(this), sizeof *this};
  }

  friend bool operator==(const content_hash&, const content_hash&) = default;
};

/// `attempt` counts contents that differ and yet have the same hash.
inline content_hash hash_content(std::string_view value,
                                 unsigned attempt) noexcept {
  auto hash = XXH3_128bits_withSeed(value.data(), value.size(), attempt);
  return {hash.low64, hash.high64};
}

/// The value of an entry that refers to a content.
struct shared_reference {
  content_hash hash;
  std::uint64_t number = 0;
  std::uint32_t value_bytes = 0; ///< as the writer gave it
  std::uint32_t reserved = 0;

  [[nodiscard]] std::string_view bytes() const noexcept {
    return {reinterpret_cast<const char*>(this), sizeof *this};
  }

  /// Key of the bytes.
  [[nodiscard]] std::string_view key() const noexcept {
    return key_of(number);
  }

  [[nodiscard]] static std::string_view
  key_of(const std::uint64_t& number) noexcept {
    return {reinterpret_cast<const char*>(&number), sizeof number};
  }

  /// From the value of an entry that refers; false when it is none.
  [[nodiscard]] static bool read(std::string_view value,
                                 shared_reference& result) noexcept {
    if (value.size() != sizeof result)
      return false;
    std::memcpy(&result, value.data(), sizeof result);
    return true;
  }

  friend bool operator==(const shared_reference&,
                         const shared_reference&) = default;
};
static_assert(sizeof(shared_reference) == 32);
static_assert(std::is_trivially_copyable_v<shared_reference>);

/// How many entries refer to a content, as the stamp of its record has it.
namespace reference_count {

inline constexpr std::uint32_t most = ~stamp::mark;

/// Of a new record: the entry that is being written.
inline constexpr std::uint32_t one = stamp::mark | 1U;

constexpr std::uint32_t of(std::uint32_t link) noexcept {
  return link & ~stamp::mark;
}

constexpr std::uint32_t stamp_of(std::uint32_t count) noexcept {
  return stamp::mark | count;
}

} // namespace reference_count

} // namespace neuroplex::memory
