// How --help looks.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace neuroplex::cli {

/// Description, usage, arguments, flags by group, subcommands, examples;
/// wrapped to a width.
class help_formatter : public CLI::FormatterBase {
public:
  explicit help_formatter(unsigned columns) : columns_{columns} {
  }

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;

private:
  unsigned columns_;
};

/// "Usage: neuroplex get [flags] KEY", without a line end.
[[nodiscard]] std::string usage_line(const CLI::App& app);

} // namespace neuroplex::cli
