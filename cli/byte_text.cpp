#include "cli/byte_text.hpp"

#include "cli/load/base64.hpp"
#include "config/utf8.hpp"

#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= 'A' && c <= 'F')
    c = static_cast<char>(c - 'A' + 'a');
  auto at = hex_digits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool decode_hex(std::string_view text, std::string& result) {
  if (text.size() % 2 != 0)
    return false;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    auto high = hex_value(text[i]);
    auto low = hex_value(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    result += static_cast<char>(high * 16 + low);
  }
  return true;
}

} // namespace

expected<std::string> decode_bytes(byte_encoding encoding,
                                   std::string_view text) {
  std::string result;
  switch (encoding) {
    case byte_encoding::text:
      return std::string{text};
    case byte_encoding::hex:
      if (decode_hex(text, result))
        return result;
      return failure{errc::bad_argument, "pairs of hexadecimal digits"};
    case byte_encoding::base64:
      if (decode_base64(text, result))
        return result;
      return failure{errc::bad_argument, "base64 with padding"};
  }
  return failure{errc::bad_argument, "text, hex or base64"};
}

std::string encode_bytes(byte_encoding encoding, std::string_view bytes) {
  std::string result;
  switch (encoding) {
    case byte_encoding::text:
      return std::string{bytes};
    case byte_encoding::hex:
      for (auto c : bytes) {
        auto byte = static_cast<unsigned char>(c);
        result += hex_digits[byte >> 4];
        result += hex_digits[byte & 15];
      }
      return result;
    case byte_encoding::base64:
      append_base64(result, bytes);
      return result;
  }
  return result;
}

void put_bytes(nlohmann::ordered_json& object, const std::string& name,
               std::string_view bytes) {
  if (config::is_utf8(bytes))
    object[name] = bytes;
  else
    object[name + "_base64"] = encode_bytes(byte_encoding::base64, bytes);
}

} // namespace neuroplex::cli
