#include "cli/load/json_text.hpp"

namespace neuroplex::cli {

void append_json_string(std::string& result, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  result += '"';
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte >= 0x20 && byte != 0x7f) {
      result += c;
    } else {
      result += "\\u00";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
  }
  result += '"';
}

} // namespace neuroplex::cli
