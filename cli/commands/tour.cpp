#include "cli/commands/tour.hpp"

#include "cli/flags.hpp"
#include "cli/load/wordnet.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include <unistd.h>

namespace neuroplex::cli {

namespace {

// A node's third of WordNet takes about 25 MiB.
constexpr std::uint64_t min_tour_segment_bytes = std::uint64_t{48} << 20;
constexpr std::uint64_t max_tour_segment_bytes = std::uint64_t{8} << 30;

struct tour_arguments {
  tour_options options;
};

void tell_end(std::ostream& out, const terminal_traits& terminal,
              const tour_report& report) {
  out << '\n';
  print_report(out, terminal, report);
  out << '\n'
      << styled(terminal, text_style::good, "Every byte was the same") << ": "
      << human_count(report.compared_in_segments)
      << " values read out of segments,\n"
      << human_count(report.compared_by_messages) << " by messages. "
      << "No write that was agreed on was lost,\n"
      << "and no change that was made apart. The tour took "
      << human_duration(std::chrono::milliseconds{
           static_cast<std::int64_t>(report.total_seconds * 1000)})
      << ".\n";
}

outcome run_tour(context& ctx, tour_arguments& given) {
  const bool for_people = ctx.output == output_format::text;
  // With JSON on standard output, people read standard error.
  auto& out = for_people ? ctx.out : std::cerr;
  const auto terminal =
    for_people ? ctx.terminal : detect_terminal(STDERR_FILENO);
  auto program = own_program_path();
  if (!program)
    return failed(program.error());
  given.options.program = *program;
  int signal_number = 0;
  expected<tour_report> report{errc::internal};
  {
    interrupt_guard guard;
    out << styled(terminal, text_style::bold, "Neuroplex tour")
        << ": three nodes, real data, a crash, and every byte compared\n";
    tour run{given.options, out, terminal};
    report = run.run();
    signal_number = interrupt_guard::signal_number();
  }
  // Nodes and files are gone from here on.
  if (!report && signal_number != 0) {
    out << "interrupted: nodes and files are gone\n" << std::flush;
    end_by_signal(signal_number);
  }
  if (!report)
    return failed(report.error());
  if (for_people)
    tell_end(out, terminal, *report);
  else
    ctx.out << report_as_json(*report) << '\n';
  return std::nullopt;
}

} // namespace

void add_tour(CLI::App& app, context& ctx) {
  auto given = std::make_shared<tour_arguments>();
  auto& options = given->options;
  options.wordnet_directory = wordnet_directory;
  auto& command = *app.add_subcommand(
    "tour", "Show a cluster of three nodes at work: load, crash, compare");
  add_text(command, "--wordnet", options.wordnet_directory,
           "Where data.noun and its kin are [/usr/share/wordnet]")
    ->type_name("DIRECTORY");
  add_text(command, "--directory", options.directory,
           "Where the segments lie meanwhile [/dev/shm]")
    ->type_name("DIRECTORY");
  add_size(command, "--segment-size", options.segment_bytes,
           min_tour_segment_bytes, max_tour_segment_bytes,
           "Segment of each node [64M]");
  add_word(command, "--pause-after", options.pause_after,
           {"start", "load", "verify", "measure", "kill", "restart", "agree",
            "part", "learn"},
           "Wait for Enter after this step, for a look at the segments");
  add_switch(command, "--keep", options.keep_files,
             "Leave segments, settings and logs of the nodes behind");
  add_output(command, ctx);
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] { return run_tour(ctx, *given); };
  });
  add_examples(command, {"neuroplex tour", "neuroplex tour --output json",
                         "neuroplex tour --pause-after load"});
}

} // namespace neuroplex::cli
