#include "cli/flags.hpp"

#include "cli/refused.hpp"
#include "config/settings.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::cli {

namespace {

using config::quote;
using config::setting;
using config::setting_kind;

// A flag that reads its value as a setting of this kind and range would.
CLI::Option* add_ranged(CLI::App& app, const std::string& name,
                        std::uint64_t& target, const setting& range,
                        problem code, const std::string& doc) {
  return add_flag(app, name, doc, code,
                  [&target, range](const std::string& text) -> expected<void> {
                    auto value = config::parse_value(range, text);
                    if (!value)
                      return value.error();
                    target = std::get<std::uint64_t>(*value);
                    return {};
                  });
}

} // namespace

CLI::Option* add_flag(CLI::App& app, const std::string& name,
                      const std::string& doc, problem code, take_value take) {
  auto* option = app.add_option_function<std::vector<std::string>>(
    name,
    [name, code, take = std::move(take)](const std::vector<std::string>& all) {
      auto shown = name.substr(0, name.find(','));
      for (auto& text : all)
        if (text != all.front())
          throw refused{{problem::duplicate_flag,
                         shown + ": " + quote(all.front()) + " and "
                           + quote(text) + ": expected one value"}};
      if (auto taken = take(all.front()); !taken)
        throw refused{{code, shown + ": " + quote(all.front()) + ": expected "
                               + taken.error().message()}};
    },
    doc);
  return option->allow_extra_args(false)->multi_option_policy(
    CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* add_text(CLI::App& app, const std::string& name,
                      std::string& target, const std::string& doc) {
  return add_flag(app, name, doc, problem::range,
                  [&target](const std::string& text) -> expected<void> {
                    target = text;
                    return {};
                  })
    ->type_name("TEXT");
}

CLI::Option* add_number(CLI::App& app, const std::string& name,
                        std::uint64_t& target, std::uint64_t least,
                        std::uint64_t most, const std::string& doc) {
  setting range{.kind = setting_kind::number, .least = least, .most = most};
  return add_ranged(app, name, target, range, problem::range, doc)
    ->type_name("N");
}

CLI::Option* add_size(CLI::App& app, const std::string& name,
                      std::uint64_t& target, std::uint64_t least,
                      std::uint64_t most, const std::string& doc) {
  setting range{.kind = setting_kind::bytes, .least = least, .most = most};
  return add_ranged(app, name, target, range, problem::size, doc)
    ->type_name("SIZE");
}

CLI::Option* add_duration(CLI::App& app, const std::string& name,
                          std::uint64_t& target_ms, std::uint64_t least_ms,
                          std::uint64_t most_ms, const std::string& doc) {
  setting range{
    .kind = setting_kind::milliseconds, .least = least_ms, .most = most_ms};
  return add_ranged(app, name, target_ms, range, problem::range, doc)
    ->type_name("TIME");
}

CLI::Option* add_word(CLI::App& app, const std::string& name,
                      std::string& target,
                      std::initializer_list<std::string_view> words,
                      const std::string& doc) {
  return add_word(
    app, name, target,
    std::span<const std::string_view>{words.begin(), words.size()}, doc);
}

CLI::Option* add_word(CLI::App& app, const std::string& name,
                      std::string& target,
                      std::span<const std::string_view> words,
                      const std::string& doc) {
  std::string list;
  for (auto word : words)
    list += (list.empty() ? "" : "|") + std::string{word};
  std::vector<std::string> known{words.begin(), words.end()};
  return add_flag(
           app, name, doc, problem::range,
           [&target, list, known](const std::string& text) -> expected<void> {
             if (std::find(known.begin(), known.end(), text) == known.end())
               return failure{errc::bad_argument, list};
             target = text;
             return {};
           })
    ->type_name(list);
}

CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& target,
                        const std::string& doc) {
  return app.add_flag(name, target, doc)
    ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CLI::Option* add_argument(CLI::App& app, const std::string& name,
                          std::string& target, const std::string& doc,
                          bool required) {
  return app.add_option(name, target, doc)->type_name("")->required(required);
}

void add_output(CLI::App& app, context& ctx) {
  add_flag(app, "--output", "How results are printed", problem::range,
           [&ctx](const std::string& text) -> expected<void> {
             if (text != "text" && text != "json")
               return failure{errc::bad_argument, "text|json"};
             ctx.output =
               text == "json" ? output_format::json : output_format::text;
             return {};
           })
    ->type_name("text|json");
}

CLI::App& add_subcommand(CLI::App& app, context& ctx, const std::string& name,
                         const std::string& doc, std::function<outcome()> run) {
  auto& added = *app.add_subcommand(name, doc);
  add_output(added, ctx);
  added.callback([&ctx, run = std::move(run)] { ctx.action = run; });
  return added;
}

void add_examples(CLI::App& app,
                  std::initializer_list<std::string_view> lines) {
  std::string text = "Examples:";
  for (auto line : lines)
    text += "\n  " + std::string{line};
  app.footer(text);
}

} // namespace neuroplex::cli
