#include "cli/commands/bench.hpp"

#include "cli/bench/segment_bench.hpp"
#include "cli/commands/bench_trace.hpp"
#include "cli/flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

constexpr std::uint64_t max_entries = 100'000'000;
constexpr std::uint64_t max_operations = 1'000'000'000;
constexpr std::uint64_t max_value_bytes = std::uint64_t{1} << 20;

void print_text(context& ctx, const bench_options& options,
                const bench_report& report) {
  ctx.out << human_entries(options.entries) << ", keys of 16 bytes, "
          << "values of " << human_bytes(options.value_bytes)
          << ", uniform, one thread\nsegment of "
          << human_bytes(report.segment_bytes) << ", "
          << human_bytes(report.huge_page_bytes) << " of it huge pages\n\n";
  table rows{{{"operation", table::align::left},
              {"p50 ns", table::align::right},
              {"p99 ns", table::align::right},
              {"mean ns", table::align::right},
              {"M/s", table::align::right}}};
  constexpr double ns_per_us = 1'000;
  for (auto& row : report.rows)
    rows.add_row({row.operation, human_number(row.latency.p50_ns),
                  human_number(row.latency.p99_ns), human_number(row.mean_ns),
                  human_number(row.mean_ns > 0 ? ns_per_us / row.mean_ns : 0)});
  rows.print(ctx.out, ctx.terminal, 0);
}

void print_json(context& ctx, const bench_options& options,
                const bench_report& report) {
  auto list = nlohmann::ordered_json::array();
  for (auto& row : report.rows)
    list.push_back({{"operation", row.operation},
                    {"samples", row.latency.samples},
                    {"p50_ns", row.latency.p50_ns},
                    {"p99_ns", row.latency.p99_ns},
                    {"worst_ns", row.latency.worst_ns},
                    {"mean_ns", row.mean_ns}});
  ctx.out << nlohmann::ordered_json{{"entries", options.entries},
                                    {"key_bytes", 16},
                                    {"value_bytes", options.value_bytes},
                                    {"segment_bytes", report.segment_bytes},
                                    {"huge_page_bytes", report.huge_page_bytes},
                                    {"operations", list}}
               .dump(2)
          << '\n';
}

outcome run_bench(context& ctx, const bench_options& options) {
  interrupt_guard interrupts;
  auto report = run_segment_bench(options, [&ctx](const std::string& name) {
    if (ctx.terminal.redraw && ctx.output == output_format::text)
      ctx.out << "\r\x1b[K" << name << " ..." << std::flush;
    return !interrupt_guard::requested();
  });
  if (ctx.terminal.redraw && ctx.output == output_format::text)
    ctx.out << "\r\x1b[K";
  if (!report)
    return failed(report.error());
  if (ctx.output == output_format::json)
    print_json(ctx, options, *report);
  else
    print_text(ctx, options, *report);
  return std::nullopt;
}

} // namespace

void add_bench(CLI::App& app, context& ctx) {
  auto options = std::make_shared<bench_options>();
  auto& command = *app.add_subcommand(
    "bench", "Measure what one operation on a segment costs here");
  add_output(command, ctx);
  add_number(command, "--entries", options->entries, 1, max_entries,
             "Entries in the segment [200000]");
  add_size(command, "--value-size", options->value_bytes, 1, max_value_bytes,
           "Bytes of a value [100]");
  add_number(command, "--operations", options->operations, 100, max_operations,
             "Operations of each kind [1000000]");
  add_text(command, "--directory", options->directory,
           "Where the temporary segment lies [/dev/shm]")
    ->type_name("DIR");
  add_bench_trace(command, ctx);
  command.callback([&ctx, &command, options] {
    if (!command.get_subcommands().empty())
      return; // the subcommand has an action of its own
    ctx.action = [&ctx, options] { return run_bench(ctx, *options); };
  });
  add_examples(command,
               {"neuroplex bench", "neuroplex bench --entries 10000000",
                "neuroplex bench --value-size 4K --output json",
                "neuroplex bench trace accesses.atr.zst --size 10000"});
}

} // namespace neuroplex::cli
