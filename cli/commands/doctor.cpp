#include "cli/commands/doctor.hpp"

#include "cli/doctor/checks.hpp"
#include "cli/flags.hpp"
#include "cli/settings_flags.hpp"
#include "cli/target/segment_target.hpp"
#include "config/check.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

struct doctor_arguments {
  settings_flags settings;
  std::string segment;
};

std::string_view state_name(health state) {
  switch (state) {
    case health::good:
      return "ok";
    case health::warning:
      return "warning";
    case health::bad:
      return "bad";
  }
  return "unknown";
}

text_style style_of(health state) {
  return state == health::good  ? text_style::good
         : state == health::bad ? text_style::bad
                                : text_style::bold;
}

void print_text(context& ctx, const std::vector<finding>& findings) {
  std::size_t widest = 0;
  for (auto& each : findings)
    widest = std::max(widest, each.name.size());
  constexpr std::size_t state_columns = 9;
  for (auto& each : findings) {
    auto state = state_name(each.state);
    ctx.out << styled(ctx.terminal, style_of(each.state), state)
            << std::string(state_columns - state.size(), ' ') << each.name
            << std::string(widest + 2 - each.name.size(), ' ')
            << config::escape(each.found) << '\n';
    if (!each.fix.empty())
      ctx.out << std::string(state_columns + widest + 2, ' ')
              << styled(ctx.terminal, text_style::bold, "fix: ")
              << config::escape(each.fix) << '\n';
  }
}

void print_json(context& ctx, const std::vector<finding>& findings) {
  auto list = nlohmann::ordered_json::array();
  for (auto& each : findings)
    list.push_back({{"name", each.name},
                    {"state", state_name(each.state)},
                    {"found", each.found},
                    {"fix", each.fix}});
  ctx.out << nlohmann::ordered_json{{"checks", list}}.dump(2) << '\n';
}

outcome run_doctor(context& ctx, const doctor_arguments& given) {
  config::node_options options;
  if (auto found = given.settings.load(options))
    return found;
  auto findings = given.segment.empty()
                    ? run_checks(options)
                    : std::vector{check_segment(given.segment)};
  if (ctx.output == output_format::json)
    print_json(ctx, findings);
  else
    print_text(ctx, findings);
  auto bad = std::count_if(findings.begin(), findings.end(), [](auto& each) {
    return each.state == health::bad;
  });
  if (bad == 0)
    return std::nullopt;
  return diagnostic{problem::unfit,
                    std::to_string(bad) + " of "
                      + std::to_string(findings.size())
                      + " checks: bad: expected none; the fixes are above"};
}

} // namespace

void add_doctor(CLI::App& app, context& ctx) {
  auto given = std::make_shared<doctor_arguments>();
  auto& command = *app.add_subcommand(
    "doctor", "Check whether a node can run well here, and tell the fixes");
  add_output(command, ctx);
  add_text(command, "--segment", given->segment,
           "Only look at this segment, and clean up after dead processes")
    ->type_name("FILE");
  given->settings.add_hidden_to(command);
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] { return run_doctor(ctx, *given); };
  });
  add_examples(command, {"neuroplex doctor",
                         "neuroplex doctor --config "
                         "node.json --output json",
                         "neuroplex doctor --segment-size 8G",
                         "neuroplex doctor --segment /var/lib/neuroplex"});
}

} // namespace neuroplex::cli
