// Keys and values are bytes; the command line, terminals and JSON are text.
//
// Purpose: one rule for all commands. On the command line a key or value is
// taken byte for byte, or decoded from hex or base64 (`--encoding`), which is
// how a NUL gets in. On a terminal lines are escaped; in JSON a member "key"
// holds valid UTF-8 and "key_base64" holds anything else.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace neuroplex::cli {

enum class byte_encoding : std::uint8_t { text, hex, base64 };

/// The bytes that `text` means; `bad_argument` when it does not decode.
[[nodiscard]] expected<std::string> decode_bytes(byte_encoding encoding,
                                                 std::string_view text);

/// `bytes` as `decode_bytes` reads them.
[[nodiscard]] std::string encode_bytes(byte_encoding encoding,
                                       std::string_view bytes);

/// Adds member `name` when `bytes` are UTF-8, else "<name>_base64".
void put_bytes(nlohmann::ordered_json& object, const std::string& name,
               std::string_view bytes);

} // namespace neuroplex::cli
