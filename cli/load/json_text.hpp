// Appends a string as JSON text; the one escape rule of the loaders.
#pragma once

#include <string>
#include <string_view>

namespace neuroplex::cli {

/// Appends `text` in quotes. Control bytes, quotes and backslashes are escaped;
/// other bytes go through unchanged, so valid UTF-8 stays valid.
void append_json_string(std::string& result, std::string_view text);

} // namespace neuroplex::cli
