#include "config/utf8.hpp"

#include <cstdint>

namespace neuroplex::config {

std::size_t utf8_sequence_length(std::string_view text) noexcept {
  if (text.empty())
    return 0;
  auto at = [text](std::size_t index) {
    return static_cast<unsigned char>(text[index]);
  };
  auto first = at(0);
  if (first < 0x80)
    return 1;
  std::size_t length = 0;
  std::uint32_t point = 0;
  std::uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    point = first & 0x1fU;
    least = 0xa0; // below lie overlong forms and the C1 controls
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    point = first & 0x0fU;
    least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    point = first & 0x07U;
    least = 0x10000;
  } else {
    return 0;
  }
  if (text.size() < length)
    return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80)
      return 0;
    point = (point << 6) | (at(i) & 0x3fU);
  }
  auto surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < least || point > 0x10ffff || surrogate ? 0 : length;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto length = utf8_sequence_length(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
  }
  return true;
}

} // namespace neuroplex::config
