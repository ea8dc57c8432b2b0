#include "cli/help.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace neuroplex::cli {

namespace {

using line_items = std::vector<std::pair<std::string, std::string>>;

// Widest left column; longer names stand on a line of their own.
constexpr std::size_t max_name_columns = 30;

// Appends `text` from column `indent` on, broken at blanks.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent,
                    std::size_t columns) {
  auto width =
    std::max<std::size_t>(columns > indent ? columns - indent : 0, 20);
  auto used = std::size_t{0};
  while (!text.empty()) {
    auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (used != 0 && used + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    } else if (used != 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
  }
  out += '\n';
}

void append_items(std::string& out, const std::string& title,
                  const line_items& items, std::size_t columns) {
  if (items.empty())
    return;
  std::size_t widest = 0;
  for (auto& [name, text] : items)
    if (name.size() <= max_name_columns)
      widest = std::max(widest, name.size());
  auto indent = widest + 4;
  out += "\n" + title + ":\n";
  for (auto& [name, text] : items) {
    out += "  " + name;
    if (name.size() > widest)
      out += "\n" + std::string(indent, ' ');
    else
      out += std::string(indent - 2 - name.size(), ' ');
    append_wrapped(out, text, indent, columns);
  }
}

std::string flag_name(const CLI::Option& option) {
  std::string name;
  for (auto& short_name : option.get_snames())
    name += (name.empty() ? "-" : ", -") + short_name;
  for (auto& long_name : option.get_lnames())
    name += (name.empty() ? "--" : ", --") + long_name;
  if (option.get_expected_max() > 0 && !option.get_type_name().empty())
    name += " " + option.get_type_name();
  return name;
}

bool is_shown(const CLI::Option& option) {
  return !option.get_group().empty();
}

} // namespace

std::string usage_line(const CLI::App& app) {
  std::string line;
  for (auto* at = &app; at != nullptr; at = at->get_parent())
    line.insert(0, " " + at->get_name());
  line.insert(0, "Usage:");
  auto flags = app.get_options([](const CLI::Option* option) {
    return option->nonpositional() && is_shown(*option);
  });
  if (flags.size() > 1)
    line += " [flags]";
  for (auto* option : app.get_options())
    if (option->get_positional()) {
      auto name = option->get_name();
      if (option->get_expected_max() > 1)
        name += "...";
      line += option->get_required() ? " " + name : " [" + name + "]";
    }
  if (!app.get_subcommands([](auto*) { return true; }).empty())
    line += " COMMAND";
  return line;
}

std::string help_formatter::make_help(const CLI::App* app, std::string,
                                      CLI::AppFormatMode) const {
  std::string out = app->get_description() + "\n\n" + usage_line(*app) + "\n";
  line_items commands;
  for (auto* command : app->get_subcommands([](auto*) { return true; }))
    commands.emplace_back(command->get_name(), command->get_description());
  append_items(out, "Commands", commands, columns_);
  line_items arguments;
  std::vector<std::pair<std::string, line_items>> groups;
  for (auto* option : app->get_options()) {
    if (!is_shown(*option))
      continue;
    if (option->get_positional()) {
      arguments.emplace_back(option->get_name(), option->get_description());
      continue;
    }
    auto title =
      option->get_group() == "Options" ? "Flags" : option->get_group();
    auto group = std::find_if(groups.begin(), groups.end(), [&](auto& known) {
      return known.first == title;
    });
    if (group == groups.end())
      group = groups.insert(groups.end(), {title, {}});
    group->second.emplace_back(flag_name(*option), option->get_description());
  }
  append_items(out, "Arguments", arguments, columns_);
  for (auto& [title, items] : groups)
    append_items(out, title, items, columns_);
  if (!app->get_footer().empty())
    out += "\n" + app->get_footer() + "\n";
  return out;
}

} // namespace neuroplex::cli
