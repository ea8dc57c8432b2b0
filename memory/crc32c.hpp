// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected): with the processor's
// instruction where the build's baseline has it (SSE4.2, ARMv8 CRC), else by
// table. All give the same numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace neuroplex::memory {

/// The table's way, eight bits at a time; for other processors and for tests.
inline std::uint32_t crc32c_by_table(std::uint32_t crc, const void* data,
                                     std::size_t size) noexcept {
  static constexpr auto table = [] {
    constexpr std::uint32_t reflected_polynomial = 0x82F63B78U;
    std::array<std::uint32_t, 256> result{};
    for (std::uint32_t i = 0; i < result.size(); ++i) {
      auto value = i;
      for (int bit = 0; bit < 8; ++bit)
        value = (value >> 1) ^ ((value & 1U) != 0 ? reflected_polynomial : 0U);
      result[i] = value;
    }
    return result;
  }();
  const auto* bytes = static_cast<const unsigned char*>(data);
  crc = ~crc;
  for (std::size_t i = 0; i < size; ++i)
    crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xFFU];
  return ~crc;
}

/// Takes the bytes of one little-endian unsigned integer into a raw state, the
/// complement of the CRC in 64 bits (as the processor's instruction wants it).
template <class Word>
inline std::uint64_t crc32c_step(std::uint64_t raw, Word word) noexcept {
  [[maybe_unused]] auto state = static_cast<std::uint32_t>(raw);
#if defined(__SSE4_2__)
  if constexpr (sizeof word == 8)
    return _mm_crc32_u64(raw, word);
  else if constexpr (sizeof word == 4)
    return _mm_crc32_u32(state, word);
  else if constexpr (sizeof word == 2)
    return _mm_crc32_u16(state, word);
  else
    return _mm_crc32_u8(state, word);
#elif defined(__ARM_FEATURE_CRC32)
  if constexpr (sizeof word == 8)
    return __crc32cd(state, word);
  else if constexpr (sizeof word == 4)
    return __crc32cw(state, word);
  else if constexpr (sizeof word == 2)
    return __crc32ch(state, word);
  else
    return __crc32cb(state, word);
#else
  return ~crc32c_by_table(~state, &word, sizeof word);
#endif
}

} // namespace neuroplex::memory
