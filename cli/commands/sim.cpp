#include "cli/commands/sim.hpp"

#include "cli/flags.hpp"
#include "cli/progress_output.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "tests/sim/campaign.hpp"
#include "tests/sim/scenarios.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

constexpr std::uint64_t most_seeds = 100'000'000;

struct sim_arguments {
  std::string scenario = "raft";
  std::uint64_t seed = 1;
  std::uint64_t runs = 1;
  bool commit_check = false;
};

double seconds_of(sim::nanoseconds span) {
  return static_cast<double>(span.count()) / 1e9;
}

std::uint64_t decided_in(const sim::scenario& what,
                         const sim::campaign_result& met) {
  auto found = met.counts.find(std::string{what.decided});
  return found == met.counts.end() ? 0 : found->second;
}

std::string command_of(const sim_arguments& given, std::uint64_t seed) {
  return "neuroplex sim --scenario " + given.scenario + " --seed "
         + std::to_string(seed);
}

void print_text(context& ctx, const sim_arguments& given,
                const sim::scenario& what, const sim::campaign_result& met) {
  ctx.out << human_count(met.runs, "run", "runs") << ", "
          << human_count(met.failures) << " failed; "
          << human_number(seconds_of(met.simulated)) << " s simulated in "
          << human_number(seconds_of(met.spent)) << " s\n";
  if (given.commit_check && met.failures == 0)
    ctx.out << human_count(decided_in(what, met)) << ' ' << what.decided << "; "
            << human_count(met.repeated, "run", "runs")
            << " made twice, with equal traces\n";
  table rows{
    {{"what happened", table::align::left}, {"times", table::align::right}}};
  for (const auto& [name, count] : met.counts)
    if (count != 0)
      rows.add_row({name, human_count(count)});
  ctx.out << '\n';
  rows.print(ctx.out, ctx.terminal, 0);
}

void print_json(context& ctx, const sim_arguments& given,
                const sim::scenario& what, const sim::campaign_result& met) {
  nlohmann::ordered_json counts;
  for (const auto& [name, count] : met.counts)
    counts[name] = count;
  nlohmann::ordered_json all{
    {"scenario", given.scenario},
    {"first_seed", given.seed},
    {"runs", met.runs},
    {"runs_failed", met.failures},
    {"runs_repeated", met.repeated},
    {"decided", decided_in(what, met)},
    {"simulated_s", seconds_of(met.simulated)},
    {"processor_s", seconds_of(met.spent)},
    {"events", met.events},
    {"trace", met.hash},
    {"counts", counts},
  };
  if (met.failures != 0)
    all["failure"] = {{"seed", met.first_failing_seed},
                      {"property", met.first_failure},
                      {"command", command_of(given, met.first_failing_seed)}};
  ctx.out << all.dump(2) << '\n';
}

outcome verdict(const sim_arguments& given, const sim::scenario& what,
                const sim::campaign_result& met) {
  if (met.failures != 0)
    return failed(failure{errc::internal,
                          "seed " + std::to_string(met.first_failing_seed)
                            + ": " + met.first_failure + ": repeat it with \""
                            + command_of(given, met.first_failing_seed)
                            + "\" and report it"});
  if (!met.shortcomings.empty())
    return failed(
      failure{errc::internal, "runs " + std::to_string(given.seed) + " to "
                                + std::to_string(given.seed + met.runs - 1)
                                + ": " + met.shortcomings.front()});
  auto stopped = met.runs < given.runs;
  if (given.commit_check && !stopped && decided_in(what, met) == 0)
    return failed(
      failure{errc::not_found, "commit check: no " + std::string{what.decided}
                                 + " in these runs: take more of them"});
  return std::nullopt;
}

outcome run_sim(context& ctx, const sim_arguments& given) {
  const auto& what = *sim::find_scenario(given.scenario);
  interrupt_guard interrupts;
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "simulate", given.runs};
  sim::campaign_settings settings;
  settings.what = what;
  settings.first_seed = given.seed;
  settings.seeds = given.runs;
  settings.most_failures = 1;
  if (given.commit_check)
    settings.repeat_every = 1;
  settings.on_run = [&](std::uint64_t runs) {
    bar.update(runs);
    return !interrupt_guard::requested();
  };
  auto met = sim::run_campaign(settings);
  if (met.failures == 0 && met.runs == given.runs)
    bar.finish();
  else
    bar.abandon();
  if (ctx.output == output_format::json)
    print_json(ctx, given, what, met);
  else
    print_text(ctx, given, what, met);
  return verdict(given, what, met);
}

} // namespace

void add_sim(CLI::App& app, context& ctx) {
  auto given = std::make_shared<sim_arguments>();
  auto& command = *app.add_subcommand(
    "sim",
    "Run whole groups of nodes in virtual time, under faults, by a seed");
  add_output(command, ctx);
  add_word(command, "--scenario", given->scenario,
           {"raft", "pbft", "hybrid", "crdt"},
           "What the group agrees or converges by [raft]");
  add_number(command, "--seed", given->seed, 0, UINT64_MAX - most_seeds,
             "The first seed; equal seeds give equal runs [1]");
  add_number(command, "--runs", given->runs, 1, most_seeds,
             "How many seeds, one after the other [1]");
  add_switch(command, "--commit-check", given->commit_check,
             "Fail unless something was decided, and run every seed twice: "
             "both must agree in all that happened");
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] { return run_sim(ctx, *given); };
  });
  add_examples(command, {"neuroplex sim --seed 7 --commit-check",
                         "neuroplex sim --scenario pbft --runs 2000",
                         "neuroplex sim --runs 100 --output json"});
}

} // namespace neuroplex::cli
