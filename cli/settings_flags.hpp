// The settings of a node as flags of a subcommand.
//
// Purpose: `serve`, `cluster` and `config` take the same flags, one a setting,
// and merge them with file and environment.
//
// Ownership: must outlive the App it was added to.
#pragma once

#include "cli/context.hpp"
#include "config/layers.hpp"

#include <string>
#include <vector>

namespace neuroplex::cli {

class settings_flags {
public:
  /// Adds --config and a flag for every setting.
  void add_to(CLI::App& app);

  /// The same, but --help shows --config alone: for commands that only look at
  /// settings.
  void add_hidden_to(CLI::App& app);

  /// Merges defaults, file, environment and flags into `layers`.
  [[nodiscard]] outcome load(config::layered_options& layers) const;

  /// The same, and checks the whole.
  [[nodiscard]] outcome load(config::node_options& options) const;

  /// The file that was read, or "".
  [[nodiscard]] std::string config_path() const;

private:
  void add(CLI::App& app, bool hidden);

  std::vector<std::string> config_files_;
  std::vector<std::vector<std::string>> values_; // of each setting
};

} // namespace neuroplex::cli
