#include "cli/commands/config.hpp"

#include "cli/flags.hpp"
#include "cli/settings_flags.hpp"
#include "cli/terminal/table.hpp"
#include "config/check.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using config::layered_options;
using config::node_options;
using config::setting;
using json = nlohmann::ordered_json;

struct config_arguments {
  settings_flags settings;
  std::string name; // of the setting to explain
};

outcome show(context& ctx, const config_arguments& arguments) {
  layered_options layers;
  node_options merged;
  if (auto found = arguments.settings.load(layers))
    return found;
  if (auto found = layers.resolve(merged))
    return found;
  ctx.out << to_file(layers);
  return std::nullopt;
}

json explanation(const setting& row, const layered_options& layers) {
  auto& value = layers.value_of(row);
  return {
    {"name", row.name},
    {"value", json::parse(file_value(row, value.value))},
    {"origin", to_string(value.from)},
    {"place", value.place},
    {"default", json::parse(file_value(row, row.get({})))},
    {"range", range_text(row)},
    {"flag", row.flag},
    {"variable", environment_name(row)},
    {"doc", row.doc},
  };
}

std::string origin_text(const config::sourced_value& value) {
  return value.from == config::layer::defaults
           ? "default"
           : std::string{to_string(value.from)} + " " + value.place;
}

// How the file would give this value.
std::string file_line(const setting& row, const config::setting_value& value) {
  auto member = "\"" + std::string{config::key_of(row.name)}
                + "\": " + json::parse(file_value(row, value)).dump();
  if (config::section_of(row.name) == row.name)
    return member;
  return "\"" + std::string{config::section_of(row.name)} + "\": {" + member
         + "}";
}

void explain_one(context& ctx, const setting& row,
                 const layered_options& layers) {
  auto& value = layers.value_of(row);
  auto line = [&ctx](std::string_view name, std::string_view text) {
    ctx.out << "  " << name << std::string(10 - name.size(), ' ') << text
            << '\n';
  };
  ctx.out << styled(ctx.terminal, text_style::bold, row.name) << '\n';
  line("", std::string{row.doc} + ".");
  line("value", display_value(row, value.value));
  line("from", origin_text(value));
  line("default", display_value(row, row.get({})));
  line("range", range_text(row));
  line("file", file_line(row, value.value));
  line("variable", environment_name(row));
  line("flag", row.flag);
}

void explain_all(context& ctx, const layered_options& layers) {
  table rows{{{"setting", table::align::left},
              {"value", table::align::left},
              {"from", table::align::left},
              {"default", table::align::left}}};
  for (auto& row : config::settings()) {
    auto& value = layers.value_of(row);
    auto is_default = value.from == config::layer::defaults;
    rows.add_row({std::string{row.name}, display_value(row, value.value),
                  origin_text(value),
                  is_default ? "" : display_value(row, row.get({}))});
  }
  rows.print(ctx.out, ctx.terminal, 0);
  ctx.out << "\nA flag beats a variable, which beats the file, which beats the "
             "default.\n\"neuroplex config explain NAME\" tells all about "
             "one.\n";
}

outcome explain(context& ctx, const config_arguments& arguments) {
  layered_options layers;
  if (auto found = arguments.settings.load(layers))
    return found;
  auto* row = config::find_setting(arguments.name);
  if (!arguments.name.empty() && row == nullptr)
    return config::unknown_setting(arguments.name);
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (auto& each : config::settings())
      if (row == nullptr || row == &each)
        all.push_back(explanation(each, layers));
    ctx.out << json{{"settings", all}}.dump(2) << '\n';
  } else if (row != nullptr) {
    explain_one(ctx, *row, layers);
  } else {
    explain_all(ctx, layers);
  }
  return std::nullopt;
}

outcome validate(context& ctx, const config_arguments& arguments) {
  node_options merged;
  if (auto found = arguments.settings.load(merged))
    return found;
  if (auto found = config::check_files(merged))
    return found;
  auto path = arguments.settings.config_path();
  if (ctx.output == output_format::json)
    ctx.out << json{{"valid", true}, {"file", path}}.dump(2) << '\n';
  else
    ctx.out << "ok: "
            << (path.empty() ? "the settings are valid"
                             : config::escape(path) + " is valid")
            << '\n';
  return std::nullopt;
}

CLI::App& add_part(CLI::App& app, context& ctx,
                   const std::shared_ptr<config_arguments>& arguments,
                   const std::string& name, const std::string& doc,
                   outcome (*run)(context&, const config_arguments&)) {
  auto& part = *app.add_subcommand(name, doc);
  arguments->settings.add_hidden_to(part);
  part.callback([&ctx, arguments, run] {
    ctx.action = [&ctx, arguments, run] { return run(ctx, *arguments); };
  });
  return part;
}

} // namespace

void add_config(CLI::App& app, context& ctx) {
  auto& command = *app.add_subcommand(
    "config", "Show, explain or check the settings of a node");
  add_examples(command, {"neuroplex config explain",
                         "neuroplex config explain timeouts.request_ms",
                         "neuroplex config validate --config node.json"});

  auto with = [] { return std::make_shared<config_arguments>(); };
  auto& shown =
    add_part(command, ctx, with(), "show",
             "Print the merged settings as a configuration file", show);
  add_examples(shown, {"neuroplex config show --config node.json > all.json",
                       "NEUROPLEX_RESP_PORT=off neuroplex config show"});

  auto arguments = with();
  auto& explained =
    add_part(command, ctx, arguments, "explain",
             "Tell each setting's value and where it is from", explain);
  add_argument(explained, "NAME", arguments->name,
               "One setting, as section.key", false);
  add_output(explained, ctx);
  add_examples(explained, {"neuroplex config explain --config node.json",
                           "neuroplex config explain segment.bytes"});

  auto& validated =
    add_part(command, ctx, with(), "validate",
             "Check settings and the files that they name", validate);
  add_output(validated, ctx);
  add_examples(validated, {"neuroplex config validate --config node.json"});

  auto& sample = *command.add_subcommand(
    "sample", "Print a commented configuration file with every setting");
  sample.callback([&ctx] {
    ctx.action = [&ctx]() -> outcome {
      ctx.out << config::sample_file();
      return std::nullopt;
    };
  });
  add_examples(sample, {"neuroplex config sample > node.json"});
}

} // namespace neuroplex::cli
