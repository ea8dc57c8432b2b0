#include "config/layers.hpp"

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/file.hpp"
#include "config/nearest.hpp"

#include <algorithm>
#include <iterator>

namespace neuroplex::config {

namespace {

constexpr std::string_view prefix = "NEUROPLEX_";
constexpr std::string_view config_name = "NEUROPLEX_CONFIG";

// Name and value of an environment entry, when its name begins with `prefix`.
std::optional<std::pair<std::string_view, std::string_view>>
our_entry(const char* text) {
  std::string_view entry{text};
  auto equals = entry.find('=');
  if (entry.substr(0, prefix.size()) != prefix
      || equals == std::string_view::npos)
    return std::nullopt;
  return std::pair{entry.substr(0, equals), entry.substr(equals + 1)};
}

// True for NEUROPLEX_<one of our sections>_..., which we answer for.
bool is_in_a_section(std::string_view name) {
  auto rest = name.substr(prefix.size());
  for (auto& row : settings()) {
    auto section =
      environment_name(row).substr(prefix.size(), section_of(row.name).size());
    if (rest.substr(0, section.size()) == section
        && (rest.size() == section.size() || rest[section.size()] == '_'))
      return true;
  }
  return false;
}

diagnostic unknown_variable(std::string_view name) {
  std::vector<std::string> names;
  for (auto& row : settings())
    names.push_back(environment_name(row));
  std::vector<std::string_view> views{names.begin(), names.end()};
  auto near = nearest(name, views);
  return {problem::config,
          escape(name) + ": unknown setting: "
            + (near.empty() ? "expected a name that \"neuroplex config "
                              "explain\" lists"
                            : "did you mean " + std::string{near} + "?")};
}

std::string expected_but(const setting& which, std::string_view text,
                         const failure& why) {
  return (which.kind == setting_kind::text && text.size() > 64
            ? quote(text.substr(0, 64)) + "..."
            : quote(text))
         + ": expected " + why.message();
}

// A list given again by a flag goes on.
template <class Item>
void append(setting_value& list, setting_value& more) {
  auto& items = std::get<std::vector<Item>>(list);
  auto& others = std::get<std::vector<Item>>(more);
  std::move(others.begin(), others.end(), std::back_inserter(items));
}

problem flag_problem(const setting& which) {
  return which.kind == setting_kind::bytes ? problem::size : problem::range;
}

} // namespace

std::string_view to_string(layer which) noexcept {
  switch (which) {
    case layer::defaults:
      return "default";
    case layer::file:
      return "file";
    case layer::environment:
      return "environment";
    case layer::flag:
      return "flag";
  }
  return "invalid";
}

layered_options::layered_options() {
  const auto defaults = node_options::of_server();
  for (auto& row : settings())
    values_.push_back({row.get(defaults), layer::defaults, {}});
}

void layered_options::take(const setting& which, sourced_value&& value) {
  auto& slot = values_[static_cast<std::size_t>(&which - settings().data())];
  if (value.from >= slot.from)
    slot = std::move(value);
}

std::optional<diagnostic> layered_options::read_file(const std::string& path) {
  auto text = config::read_file(path, {.max_bytes = max_config_file_bytes});
  if (!text)
    return diagnostic{problem::config, text.error().message()};
  return read_text(*text, path);
}

std::optional<diagnostic> layered_options::read_text(std::string_view text,
                                                     const std::string& name) {
  std::vector<document_entry> entries;
  if (auto found = parse_document(text, name, entries))
    return found;
  for (auto& entry : entries)
    take(*entry.which,
         {std::move(entry.value), layer::file, std::move(entry.place)});
  return std::nullopt;
}

std::optional<diagnostic>
layered_options::read_environment(const char* const* environment) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    auto entry = our_entry(*environment);
    if (!entry || entry->first == config_name)
      continue;
    auto [name, text] = *entry;
    auto rows = settings();
    auto row = std::find_if(rows.begin(), rows.end(), [name = name](auto& x) {
      return environment_name(x) == name;
    });
    if (row == rows.end()) {
      if (names_a_secret(name))
        return diagnostic{problem::secret_mode,
                          escape(name)
                            + ": a secret where others can read it: expected "
                              "NEUROPLEX_RESP_PASSWORD_FILE, the path of a "
                              "file of mode 0600"};
      if (is_in_a_section(name))
        return unknown_variable(name);
      continue;
    }
    auto value = parse_value(*row, text);
    if (!value)
      return diagnostic{problem::config,
                        std::string{name} + ": "
                          + expected_but(*row, text, value.error())};
    take(*row, {std::move(*value), layer::environment, std::string{name}});
  }
  return std::nullopt;
}

std::optional<diagnostic> layered_options::set_flag(const setting& which,
                                                    std::string_view spelled,
                                                    std::string_view text) {
  auto value = parse_value(which, text);
  if (!value)
    return diagnostic{flag_problem(which),
                      std::string{spelled} + ": "
                        + expected_but(which, text, value.error())};
  auto before = std::find_if(flags_.begin(), flags_.end(),
                             [&which](auto& x) { return x.first == &which; });
  if (before == flags_.end()) {
    flags_.emplace_back(&which, text);
    take(which, {std::move(*value), layer::flag, std::string{spelled}});
    return std::nullopt;
  }
  if (is_list(which.kind)) {
    auto& slot = values_[static_cast<std::size_t>(&which - settings().data())];
    if (which.kind == setting_kind::peers)
      append<peer_options>(slot.value, *value);
    else
      append<namespace_options>(slot.value, *value);
    return std::nullopt;
  }
  if (before->second == text)
    return std::nullopt;
  return diagnostic{problem::duplicate_flag,
                    std::string{spelled} + ": " + quote(before->second)
                      + " and " + quote(text) + ": expected one value"};
}

std::optional<diagnostic>
layered_options::resolve(node_options& options) const {
  node_options merged;
  for (auto& row : settings())
    row.set(merged, value_of(row).value);
  auto found = check(merged);
  if (!found) {
    options = std::move(merged);
    return std::nullopt;
  }
  auto message = std::string{found->field} + ": " + found->value + ": expected "
                 + found->expected;
  auto* row = find_setting(found->field);
  if (row != nullptr && value_of(*row).from != layer::defaults)
    message += " (given by " + escape(value_of(*row).place) + ")";
  auto from_flag = row != nullptr && value_of(*row).from == layer::flag;
  auto code = found->code;
  if (!from_flag && (code == problem::range || code == problem::size))
    code = problem::config;
  return diagnostic{code, std::move(message)};
}

const sourced_value& layered_options::value_of(const setting& which) const {
  return values_[static_cast<std::size_t>(&which - settings().data())];
}

std::string config_path_in(const char* const* environment) {
  for (; environment != nullptr && *environment != nullptr; ++environment)
    if (auto entry = our_entry(*environment);
        entry && entry->first == config_name)
      return std::string{entry->second};
  return {};
}

} // namespace neuroplex::config
