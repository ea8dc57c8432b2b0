// The rules that a node's options must obey, with the code of each violation.
#pragma once

#include "config/diagnostic.hpp"
#include "config/node_options.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::config {

/// One violated rule.
struct violation {
  problem code;           ///< range, size, config, topology or timing
  std::string_view field; ///< name of the setting to change
  std::string value;      ///< what it is now, fit to be shown
  std::string expected;   ///< what it may be
};

/// The first rule that `options` violates, or nothing. Reads no file.
[[nodiscard]] std::optional<violation> check(const node_options& options);

} // namespace neuroplex::config
