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

/// Looks at the files and directories that `options` name: E-PATH, E-CONFIG for
/// what cannot be read, E-SECRETMODE for a secret that others can read. Nothing
/// is opened for writing.
[[nodiscard]] std::optional<diagnostic>
check_files(const node_options& options);

/// Why `name` is no setting, with the nearest one named.
[[nodiscard]] diagnostic unknown_setting(std::string_view name);

} // namespace neuroplex::config
