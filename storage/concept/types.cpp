#include "storage/concept/types.hpp"

#include <charconv>

#include <xxhash.h>

namespace neuroplex::concepts {

concept_id
concept_id::from_bytes(std::span<const std::uint8_t, 16> bytes) noexcept {
  concept_id result;
  for (std::size_t i = 0; i < 8; ++i) {
    result.high = result.high << 8 | bytes[i];
    result.low = result.low << 8 | bytes[i + 8];
  }
  return result;
}

concept_id concept_id::of_name(std::string_view name) noexcept {
  auto hash = XXH3_128bits(name.data(), name.size());
  return {hash.high64, hash.low64};
}

std::string concept_id::to_string() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[i] = digits[high >> (60 - 4 * i) & 15U];
    text[i + 16] = digits[low >> (60 - 4 * i) & 15U];
  }
  return text;
}

std::optional<concept_id> concept_id::parse(std::string_view digits) noexcept {
  concept_id result;
  if (digits.size() != 32)
    return std::nullopt;
  auto read = [](std::string_view half, std::uint64_t& word) {
    auto* end = half.data() + half.size();
    auto [stopped, problem] = std::from_chars(half.data(), end, word, 16);
    return problem == std::errc{} && stopped == end;
  };
  if (!read(digits.substr(0, 16), result.high)
      || !read(digits.substr(16), result.low))
    return std::nullopt;
  return result;
}

} // namespace neuroplex::concepts
