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

/// CRC-32C of `size` bytes, going on from `crc` (0 to begin).
inline std::uint32_t crc32c(std::uint32_t crc, const void* data,
                            std::size_t size) noexcept {
#if defined(__SSE4_2__) || defined(__ARM_FEATURE_CRC32)
  const auto* bytes = static_cast<const unsigned char*>(data);
  auto load = [&bytes](auto value) {
    std::memcpy(&value, bytes, sizeof value);
    bytes += sizeof value;
    return value;
  };
#if defined(__SSE4_2__)
  std::uint64_t state = ~crc;
  auto step = [&] { state = _mm_crc32_u64(state, load(std::uint64_t{})); };
  for (; size >= 32; size -= 32) {
    step();
    step();
    step();
    step();
  }
  for (; size >= 8; size -= 8)
    step();
  auto narrow = static_cast<std::uint32_t>(state);
  if ((size & 4U) != 0)
    narrow = _mm_crc32_u32(narrow, load(std::uint32_t{}));
  if ((size & 2U) != 0)
    narrow = _mm_crc32_u16(narrow, load(std::uint16_t{}));
  if ((size & 1U) != 0)
    narrow = _mm_crc32_u8(narrow, load(std::uint8_t{}));
#else
  auto narrow = ~crc;
  for (; size >= 8; size -= 8)
    narrow = __crc32cd(narrow, load(std::uint64_t{}));
  if ((size & 4U) != 0)
    narrow = __crc32cw(narrow, load(std::uint32_t{}));
  if ((size & 2U) != 0)
    narrow = __crc32ch(narrow, load(std::uint16_t{}));
  if ((size & 1U) != 0)
    narrow = __crc32cb(narrow, load(std::uint8_t{}));
#endif
  return ~narrow;
#else
  return crc32c_by_table(crc, data, size);
#endif
}

} // namespace neuroplex::memory
