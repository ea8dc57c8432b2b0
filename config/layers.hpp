// Merges defaults, file, environment and flags into node options, and remembers
// where each value came from.
//
// Purpose: defaults < file < environment < flag. The order of the calls does
// not matter, the rank of the layers does.
//
// Threads: one at a time.
//
// Failure behaviour: each call answers the first problem and has then changed
// nothing that `resolve` could use: give up, or start again.
#pragma once

#include "config/diagnostic.hpp"
#include "config/settings.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace neuroplex::config {

/// Where a value came from, weakest first.
enum class layer : std::uint8_t { defaults, file, environment, flag };

/// "default", "file", "environment", "flag".
[[nodiscard]] std::string_view to_string(layer which) noexcept;

struct sourced_value {
  setting_value value;
  layer from = layer::defaults;
  std::string
    place; ///< "node.json:3:5", "NEUROPLEX_BASP_PORT", "--port", or ""
};

class layered_options {
public:
  layered_options();

  /// Takes the settings of a configuration file. E-CONFIG or E-SECRETMODE.
  [[nodiscard]] std::optional<diagnostic> read_file(const std::string& path);

  /// The same for text that came from `name`.
  [[nodiscard]] std::optional<diagnostic> read_text(std::string_view text,
                                                    const std::string& name);

  /// Takes NEUROPLEX_<SECTION>_<KEY> from a null-terminated list of
  /// "NAME=value". Refuses names in one of our sections that name no setting;
  /// other names are not ours.
  [[nodiscard]] std::optional<diagnostic>
  read_environment(const char* const* environment);

  /// Takes the value of a flag, written as `spelled`. E-RANGE, E-SIZE, or
  /// E-DUPFLAG when it was given before with another value. The flag of
  /// the peers may be repeated.
  [[nodiscard]] std::optional<diagnostic> set_flag(const setting& which,
                                                   std::string_view spelled,
                                                   std::string_view text);

  /// The merged options, checked; a violated rule tells the value's origin.
  [[nodiscard]] std::optional<diagnostic> resolve(node_options& options) const;

  /// The value of a setting after merging, and where it is from.
  [[nodiscard]] const sourced_value& value_of(const setting& which) const;

private:
  void take(const setting& which, sourced_value&& value);

  std::vector<sourced_value> values_; // one a setting, in the table's order
  std::vector<std::pair<const setting*, std::string>> flags_;
};

/// The file that NEUROPLEX_CONFIG names, or "".
[[nodiscard]] std::string config_path_in(const char* const* environment);

/// The merged settings as a configuration file.
[[nodiscard]] std::string to_file(const layered_options& options);

} // namespace neuroplex::config
