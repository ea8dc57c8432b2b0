// Base64 of RFC 4648 with padding, for bytes that JSON text cannot hold.
#pragma once

#include <string>
#include <string_view>

namespace neuroplex::cli {

/// Decodes `text` into `result`. False, with `result` unspecified, for a
/// character outside the alphabet, wrong padding, or bits beyond the last byte.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& result);

/// Appends the encoding of `bytes` with padding.
void append_base64(std::string& result, std::string_view bytes);

} // namespace neuroplex::cli
