// Hashes of the segment: where a key lives, its tag, an entry's checksum, and
// the name hash of a namespace. All of XXH3 except the last (FNV-1a, as the
// seed asks) and short checksums (CRC-32C). They are part of the layout:
// changing one needs a new version.
#pragma once

#include "memory/crc32c.hpp"
#include "memory/sync.hpp"

#include <cstdint>
#include <string_view>

#include <xxhash.h>

namespace neuroplex::memory {

/// Hash of a key within its namespace. The upper 32 bits choose the line (as a
/// fraction of the table, so that doubling keeps the order), the lowest byte
/// the tag.
inline std::uint64_t hash_key(std::uint8_t ns, std::string_view key) noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), ns);
}

/// One-byte tag of a hash, 1 to 255; 0 marks a slot that never had one.
inline std::uint8_t tag_of(std::uint64_t hash) noexcept {
  auto tag = static_cast<std::uint8_t>(hash);
  return tag == 0 ? std::uint8_t{255} : tag;
}

/// Home line of a hash in a table of `lines` lines (fastrange). Line i of a
/// table becomes lines 2i and 2i+1 of the doubled one.
inline std::uint64_t line_of(std::uint64_t hash, std::uint64_t lines) noexcept {
  return ((hash >> 32) * lines) >> 32;
}

/// CRC-32C over what the checksum of an entry covers beside the value. The key
/// takes part by its hash, so a reader who compared the key needs to run over
/// the value only.
inline std::uint32_t checksum_seed(std::uint64_t key_hash,
                                   std::uint64_t header_bits,
                                   std::int64_t expires_at_ms) noexcept {
  auto state = crc32c_step(key_hash & 0xFFFF'FFFFU, header_bits);
  if (expires_at_ms != 0)
    state = crc32c_step(state, static_cast<std::uint64_t>(expires_at_ms));
  return static_cast<std::uint32_t>(state);
}

/// Values up to this long are summed by CRC-32C, which leaves room in the
/// processor's window for the next lookup; longer ones by XXH3.
inline constexpr std::size_t short_value_bytes = 256;

inline std::uint32_t value_checksum(std::uint32_t seed,
                                    std::string_view value) noexcept {
  constexpr std::uint64_t prime = 0x9E3779B185EBCA87ULL;
  if (value.size() <= short_value_bytes)
    return crc32c(seed, value.data(), value.size());
  auto sum = (XXH3_64bits(value.data(), value.size()) ^ seed) * prime;
  return static_cast<std::uint32_t>(sum >> 32);
}

/// One step of `read_summed`: Count words of a type.
template <class Sync, class Word, std::size_t Count>
NEUROPLEX_INLINE void sum_step(char*& to, const std::byte*& shared,
                               std::uint64_t& state) noexcept {
  for (std::size_t i = 0; i < Count; ++i)
    state = crc32c_step(
      state, Sync::template read_object<Word>(shared + i * sizeof(Word)));
  Sync::read_fixed(to, shared, Count * sizeof(Word));
  to += Count * sizeof(Word);
  shared += Count * sizeof(Word);
  Sync::forget_origin(to, shared);
}

/// Copies `size` shared bytes out and answers their checksum, short values in
/// one pass. Addresses follow from branches, as in native_sync::read. Bytes
/// that change meanwhile make the block's word change, which the caller checks.
template <class Sync>
NEUROPLEX_INLINE std::uint32_t read_summed(char* to, const std::byte* shared,
                                           std::size_t size,
                                           std::uint32_t seed) noexcept {
  if (size > short_value_bytes || !crc32c_in_hardware) [[unlikely]] {
    Sync::read(to, shared, size);
    return value_checksum(seed, {to, size});
  }
  std::uint64_t state = ~seed;
  for (; size >= 64; size -= 64)
    sum_step<Sync, std::uint64_t, 8>(to, shared, state);
  if ((size & 32U) != 0)
    sum_step<Sync, std::uint64_t, 4>(to, shared, state);
  if ((size & 16U) != 0)
    sum_step<Sync, std::uint64_t, 2>(to, shared, state);
  if ((size & 8U) != 0)
    sum_step<Sync, std::uint64_t, 1>(to, shared, state);
  if ((size & 4U) != 0)
    sum_step<Sync, std::uint32_t, 1>(to, shared, state);
  if ((size & 2U) != 0)
    sum_step<Sync, std::uint16_t, 1>(to, shared, state);
  if ((size & 1U) != 0)
    sum_step<Sync, std::uint8_t, 1>(to, shared, state);
  return ~static_cast<std::uint32_t>(state);
}

/// 32-bit FNV-1a (Fowler, Noll, Vo) of a namespace name.
inline std::uint32_t hash_name(std::string_view name) noexcept {
  std::uint32_t hash = 0x811C9DC5U;
  for (char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x01000193U;
  }
  return hash;
}

} // namespace neuroplex::memory
