#include "cli/settings_flags.hpp"

#include <CLI/CLI.hpp>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

using config::setting_kind;

const char* value_name(const config::setting& row) {
  switch (row.kind) {
    case setting_kind::number:
      return "N";
    case setting_kind::bytes:
      return "SIZE";
    case setting_kind::milliseconds:
      return "TIME";
    case setting_kind::boolean:
      return "true|false";
    case setting_kind::port:
      return "PORT";
    case setting_kind::peers:
      return "ID@HOST:PORT";
    case setting_kind::namespaces:
      return "NAME:KEY=VALUE";
    case setting_kind::word:
      return "WORD";
    case setting_kind::text:
      break;
  }
  return row.flag.ends_with("host") ? "ADDRESS" : "TEXT";
}

// What --help calls a section.
std::string group_title(std::string_view section) {
  if (section == "basp")
    return "Actor port";
  if (section == "resp")
    return "Redis clients";
  if (section == "concept")
    return "Concept memory";
  std::string title{section};
  title.front() = static_cast<char>(title.front() - 'a' + 'A');
  return title;
}

} // namespace

void settings_flags::add_to(CLI::App& app) {
  add(app, false);
}

void settings_flags::add_hidden_to(CLI::App& app) {
  add(app, true);
}

void settings_flags::add(CLI::App& app, bool hidden) {
  auto rows = config::settings();
  values_.resize(rows.size());
  app
    .add_option("--config", config_files_,
                hidden
                  ? "Configuration file; every flag of \"neuroplex serve\" is "
                    "understood too"
                  : "Configuration file (or the variable "
                    "NEUROPLEX_CONFIG)")
    ->type_name("FILE")
    ->allow_extra_args(false)
    ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& row = rows[i];
    std::string names{row.flag};
    if (!row.alias.empty())
      names += "," + std::string{row.alias};
    auto default_value = config::display_value(row, row.get({}));
    app
      .add_option(names, values_[i],
                  std::string{row.doc} + ": " + range_text(row) + " ["
                    + default_value + "]")
      ->type_name(value_name(row))
      ->group(hidden ? "" : group_title(config::section_of(row.name)))
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

std::string settings_flags::config_path() const {
  return config_files_.empty() ? config::config_path_in(::environ)
                               : config_files_.front();
}

outcome settings_flags::load(config::layered_options& layers) const {
  for (auto& path : config_files_)
    if (path != config_files_.front())
      return diagnostic{problem::duplicate_flag,
                        "--config: " + config::quote(config_files_.front())
                          + " and " + config::quote(path)
                          + ": expected one value"};
  auto rows = config::settings();
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (auto& text : values_[i])
      if (auto found = layers.set_flag(rows[i], rows[i].flag, text))
        return found;
  auto path = config_path();
  if (!config_files_.empty() || !path.empty())
    if (auto found = layers.read_file(path))
      return found;
  return layers.read_environment(::environ);
}

outcome settings_flags::load(config::node_options& options) const {
  config::layered_options layers;
  if (auto found = load(layers))
    return found;
  return layers.resolve(options);
}

} // namespace neuroplex::cli
