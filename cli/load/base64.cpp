#include "cli/load/base64.hpp"

#include <array>
#include <cstdint>

namespace neuroplex::cli {

namespace {

constexpr std::string_view alphabet =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t not_a_digit = 64;

constexpr std::array<std::uint8_t, 256> digit_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(not_a_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<unsigned char>(alphabet[i])] =
      static_cast<std::uint8_t>(i);
  return values;
}

constexpr auto values_of_digits = digit_values();

} // namespace

bool decode_base64(std::string_view text, std::string& result) {
  result.clear();
  if (text.size() % 4 != 0)
    return false;
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  result.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (char c : text) {
    auto value = values_of_digits[static_cast<unsigned char>(c)];
    if (value == not_a_digit)
      return false;
    bits = bits << 6 | value;
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      result += static_cast<char>(bits >> bit_count & 0xff);
    }
  }
  return (bits & ((1U << bit_count) - 1)) == 0;
}

void append_base64(std::string& result, std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    auto count = bytes.size() - i < 3 ? bytes.size() - i : std::size_t{3};
    for (std::size_t j = 0; j < 3; ++j)
      bits =
        bits << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      result += j <= count ? alphabet[bits >> (18 - 6 * j) & 63] : '=';
  }
}

} // namespace neuroplex::cli
