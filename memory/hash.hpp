// Hashes of the segment: where a key lives, its tag, an entry's checksum, and
// the name hash of a namespace. All of XXH3 except the last (FNV-1a, as the
// seed asks) and short checksums (CRC-32C). They are part of the layout:
// changing one needs a new version.
#pragma once

#include "memory/crc32c.hpp"
#include "memory/sync.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <xxhash.h>

namespace neuroplex::memory {

/// A key of 9 to 16 bytes as its first and its last eight bytes, which overlap
/// in keys shorter than 16. Such keys are hashed and compared in registers.
class short_key {
public:
  static constexpr std::size_t word = sizeof(std::uint64_t);

  [[nodiscard]] static bool fits(std::size_t size) noexcept {
    return size - (word + 1) < word;
  }

  /// Of a key that fits.
  NEUROPLEX_INLINE explicit short_key(std::string_view key) noexcept
    : size_{key.size()} {
    std::memcpy(&first, key.data(), word);
    std::memcpy(&last, key.data() + size_ - word, word);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  std::uint64_t first;
  std::uint64_t last;

private:
  std::size_t size_;
};

/// XXH3 of 9 to 16 bytes with a seed (Collet's XXH3 specification, "Small
/// inputs"), written out because the library's function is never inlined. The
/// two constants are words of its default secret, taken together in pairs.
NEUROPLEX_INLINE std::uint64_t hash_key(std::uint8_t ns,
                                        const short_key& key) noexcept {
  constexpr std::uint64_t flip_first = 0x6782737BEA4239B9ULL;
  constexpr std::uint64_t flip_last = 0xAF56BC3B0996523AULL;
  constexpr std::uint64_t avalanche = 0x165667919E3779F9ULL;
  auto first = key.first ^ (flip_first + ns);
  auto last = key.last ^ (flip_last - ns);
  __extension__ using wide = unsigned __int128;
  auto product = static_cast<wide>(first) * last;
  auto hash = key.size() + __builtin_bswap64(first) + last
              + (static_cast<std::uint64_t>(product)
                 ^ static_cast<std::uint64_t>(product >> 64));
  hash = (hash ^ hash >> 37) * avalanche;
  return hash ^ hash >> 32;
}

/// Hash of a key within its namespace. The upper 32 bits choose the line (as a
/// fraction of the table, so that doubling keeps the order), the lowest byte
/// the tag.
inline std::uint64_t hash_key(std::uint8_t ns, std::string_view key) noexcept {
  if (short_key::fits(key.size())) [[likely]]
    return hash_key(ns, short_key{key});
  return XXH3_64bits_withSeed(key.data(), key.size(), ns);
}

/// Whether `key` is the one that ends at `end` in shared memory.
template <class Sync>
NEUROPLEX_INLINE bool same_key(const std::byte* end,
                               const short_key& key) noexcept {
  auto word_at = [](const std::byte* shared) {
    return Sync::template read_object<std::uint64_t>(shared);
  };
  return word_at(end - key.size()) == key.first
         && word_at(end - short_key::word) == key.last;
}

template <class Sync>
NEUROPLEX_INLINE bool same_key(const std::byte* end,
                               std::string_view key) noexcept {
  return Sync::equal(end - key.size(), key.data(), key.size());
}

/// Writes a key to shared memory.
template <class Sync>
NEUROPLEX_INLINE void write_key(std::byte* shared,
                                std::string_view key) noexcept {
  if (!short_key::fits(key.size())) [[unlikely]] {
    Sync::write(shared, key.data(), key.size());
    return;
  }
  Sync::write(shared, key.data(), short_key::word);
  auto rest = key.size() - short_key::word;
  Sync::write(shared + rest, key.data() + rest, short_key::word);
}

/// One-byte tag of a hash. A slot that never had one has 0, which costs the
/// keys whose tag is 0 a look at empty slots, and all others nothing.
inline std::uint8_t tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint8_t>(hash);
}

/// Home line of a hash in a table of `lines` lines (fastrange). Line i of a
/// table becomes lines 2i and 2i+1 of the doubled one.
inline std::uint64_t line_of(std::uint64_t hash, std::uint64_t lines) noexcept {
  return ((hash >> 32) * lines) >> 32;
}

/// State of CRC-32C after what the checksum of an entry covers beside the
/// value. Key and namespace take part by their hash, so a reader who compared
/// the key needs to run over the value only.
inline std::uint32_t checksum_seed(std::uint64_t key_hash,
                                   std::uint32_t value_bytes,
                                   std::int64_t expires_at_ms) noexcept {
  auto state = crc32c_step(key_hash & 0xFFFF'FFFFU, value_bytes);
  if (expires_at_ms != 0)
    state = crc32c_step(state, static_cast<std::uint64_t>(expires_at_ms));
  return static_cast<std::uint32_t>(state);
}

/// Values up to this long are summed by CRC-32C, which leaves room in the
/// processor's window for the next lookup; longer ones by XXH3.
inline constexpr std::size_t short_value_bytes = 256;

template <std::size_t Size, class Work>
NEUROPLEX_INLINE void first_and_last_piece(std::size_t size, Work& work) {
  work.template piece<Size>(0);
  work.template piece<Size>(size - Size);
}

/// Lets `work.piece<Size>(offset)` go over the pieces in which a short value is
/// copied and summed: its 16-byte words, and the last 16 bytes once more if
/// bytes are left; of less than 16 bytes the first and the last half of the
/// next power of two. So no length costs a step for each of its bits.
template <class Work>
NEUROPLEX_INLINE void for_each_piece(std::size_t size, Work& work) {
  if (size >= 16) [[likely]] {
    std::size_t offset = 0;
    for (auto end = size & ~std::size_t{31}; offset != end; offset += 32)
      work.template piece<32>(offset);
    if ((size & 16U) != 0)
      work.template piece<16>(offset);
    if ((size & 15U) != 0)
      work.template piece<16>(size - 16);
  } else if (size >= 8) {
    first_and_last_piece<8>(size, work);
  } else if (size >= 4) {
    first_and_last_piece<4>(size, work);
  } else if (size >= 2) {
    first_and_last_piece<2>(size, work);
  } else if (size == 1) {
    work.template piece<1>(0);
  }
}

/// Takes the pieces of a value into a state of CRC-32C.
struct piece_sum {
  const char* value;
  std::uint64_t state;

  template <std::size_t Size>
  NEUROPLEX_INLINE void piece(std::size_t offset) noexcept {
    using word = std::conditional_t<
      Size == 1, std::uint8_t,
      std::conditional_t<
        Size == 2, std::uint16_t,
        std::conditional_t<Size == 4, std::uint32_t, std::uint64_t>>>;
    for (std::size_t i = 0; i < Size; i += sizeof(word)) {
      word next;
      std::memcpy(&next, value + offset + i, sizeof next);
      state = crc32c_step(state, next);
    }
  }
};

/// Copies the pieces and sums the copy, so that a sum that is right vouches for
/// what the caller gets, whatever happens to the shared bytes meanwhile.
template <class Sync>
struct piece_copy {
  const std::byte* shared;
  piece_sum copy;
  char* to;

  template <std::size_t Size>
  NEUROPLEX_INLINE void piece(std::size_t offset) noexcept {
    Sync::template read_piece<Size>(to + offset, shared + offset);
    copy.piece<Size>(offset);
  }
};

/// Writes the pieces of a value to shared memory and sums them.
template <class Sync>
struct piece_store {
  piece_sum value;
  std::byte* shared;

  template <std::size_t Size>
  NEUROPLEX_INLINE void piece(std::size_t offset) noexcept {
    Sync::write(shared + offset, value.value + offset, Size);
    value.piece<Size>(offset);
  }
};

inline std::uint32_t value_checksum(std::uint32_t seed,
                                    std::string_view value) noexcept {
  constexpr std::uint64_t prime = 0x9E3779B185EBCA87ULL;
  if (value.size() > short_value_bytes) {
    auto sum = (XXH3_64bits(value.data(), value.size()) ^ seed) * prime;
    return static_cast<std::uint32_t>(sum >> 32);
  }
  piece_sum sum{value.data(), seed};
  for_each_piece(value.size(), sum);
  return static_cast<std::uint32_t>(sum.state);
}

/// Copies a short value of `size` shared bytes out and answers its checksum.
template <class Sync>
NEUROPLEX_INLINE std::uint32_t read_short(char* to, const std::byte* shared,
                                          std::size_t size,
                                          std::uint32_t seed) noexcept {
  piece_copy<Sync> work{shared, {to, seed}, to};
  for_each_piece(size, work);
  return static_cast<std::uint32_t>(work.copy.state);
}

/// Writes a value to shared memory and answers its checksum.
template <class Sync>
NEUROPLEX_INLINE std::uint32_t write_summed(std::byte* shared,
                                            std::string_view value,
                                            std::uint32_t seed) noexcept {
  if (value.size() > short_value_bytes) [[unlikely]] {
    Sync::write(shared, value.data(), value.size());
    return value_checksum(seed, value);
  }
  piece_store<Sync> work{{value.data(), seed}, shared};
  for_each_piece(value.size(), work);
  return static_cast<std::uint32_t>(work.value.state);
}

/// Copies `size` shared bytes out and answers their checksum.
template <class Sync>
inline std::uint32_t read_summed(char* to, const std::byte* shared,
                                 std::size_t size,
                                 std::uint32_t seed) noexcept {
  if (size <= short_value_bytes)
    return read_short<Sync>(to, shared, size, seed);
  Sync::read(to, shared, size);
  return value_checksum(seed, {to, size});
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
