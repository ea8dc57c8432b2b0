#include "consensus/placement/slots.hpp"

#include <xxhash.h>

namespace neuroplex::placement {

slot_index slot_of(std::string_view key) noexcept {
  return static_cast<slot_index>(
    XXH3_64bits_withSeed(key.data(), key.size(), slot_seed) >> 48);
}

std::string_view hash_tag(std::string_view key) noexcept {
  auto open = key.find('{');
  if (open == std::string_view::npos)
    return key;
  auto close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1)
    return key;
  return key.substr(open + 1, close - open - 1);
}

std::uint64_t fingerprint(std::string_view bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

} // namespace neuroplex::placement
