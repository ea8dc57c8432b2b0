// Reads a configuration file into settings and their places.
//
// Purpose: the file is JSON with // and /* */ comments. It holds one object
// whose members are sections, which hold keys, and the list "peers". Syntax,
// structure, types and ranges are all checked here, so that each complaint
// names file, line and column.
//
// Failure behaviour: the first problem is answered; nothing is partly read.
// Work is bounded by max_config_file_bytes and max_config_nesting. A value that
// stands where a secret might be is never quoted.
#pragma once

#include "config/diagnostic.hpp"
#include "config/settings.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::config {

/// A setting that the file gives.
struct document_entry {
  const setting* which = nullptr;
  setting_value value;
  std::string place; ///< "node.json:12:5"
};

/// Parses `text`, which came from `name`, and appends to `entries`.
[[nodiscard]] std::optional<diagnostic>
parse_document(std::string_view text, const std::string& name,
               std::vector<document_entry>& entries);

/// True for a name under which people try to give a secret itself: the answer
/// to it is E-SECRETMODE, and what was given is not repeated.
[[nodiscard]] bool names_a_secret(std::string_view name);

} // namespace neuroplex::config
