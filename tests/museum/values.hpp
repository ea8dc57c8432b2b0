// The values of the museum: numbers, stored as a run of equal four-byte words,
// so that a torn copy shows. Numbers from `world::long_value` on make longer
// entries, of another size class.
//
// Threads: pure functions.
#pragma once

#include "tests/museum/world.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace neuroplex::museum {

inline constexpr std::size_t short_bytes = 20;
inline constexpr std::size_t long_bytes = 200;

inline std::string encode(std::uint32_t value) {
  std::string bytes(value < world::long_value ? short_bytes : long_bytes, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += sizeof value)
    std::memcpy(bytes.data() + i, &value, sizeof value);
  return bytes;
}

/// `no_value` when it is torn.
inline std::uint32_t decode(const char* bytes, std::size_t size) noexcept {
  std::uint32_t value = 0;
  if (size < sizeof value)
    return no_value;
  std::memcpy(&value, bytes, sizeof value);
  if (size != (value < world::long_value ? short_bytes : long_bytes))
    return no_value;
  for (std::size_t i = 0; i < size; i += sizeof value)
    if (std::memcmp(bytes + i, &value, sizeof value) != 0)
      return no_value;
  return value;
}

} // namespace neuroplex::museum
