#include "cli/commands/backup.hpp"

#include "cli/backup_view.hpp"
#include "cli/flags.hpp"
#include "cli/progress_output.hpp"
#include "cli/target/segment_target.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/units.hpp"
#include "config/node_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

namespace neuroplex::cli {

namespace {

using memory::access_mode;
using memory::backup_report;
using memory::backup_writer;
using memory::repair_policy;
using steady_clock = std::chrono::steady_clock;

// Written between two looks at whether we were interrupted.
constexpr std::uint64_t step_bytes = std::uint64_t{1} << 20;

struct backup_arguments {
  std::string segment = config::node_options{}.segment_path();
  std::string directory;
  std::string path;
  std::uint64_t interval_ms = 1'000;
  std::uint64_t fold_percent = memory::backup_options{}.fold_percent;
  std::uint64_t threads = 0;
  std::uint64_t segment_bytes = 0; // 0: as it was
  bool repair = false;
};

memory::backup_options options_of(const backup_arguments& given) {
  return {.fold_percent = static_cast<unsigned>(given.fold_percent)};
}

// One generation, or nothing when we were interrupted: what was begun does not
// count then, and the backup is as it was.
expected<std::optional<backup_report>> write_generation(backup_writer& writer,
                                                        progress* bar) {
  for (std::uint64_t done = step_bytes; !interrupt_guard::requested();
       done += step_bytes) {
    auto step = writer.step(step_bytes);
    if (!step)
      return step.error();
    if (*step)
      return *step;
    if (bar != nullptr)
      bar->update(done);
  }
  return std::optional<backup_report>{};
}

expected<std::optional<backup_report>>
write_once(context& ctx, const backup_arguments& given) {
  auto data = open_segment(given.segment, access_mode::read_write);
  if (!data)
    return data.error();
  auto writer = backup_writer::open(*data, given.directory, options_of(given));
  if (!writer)
    return writer.error();
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "backup", 0,
               progress_unit::bytes};
  auto report = write_generation(*writer, &bar);
  if (report && *report)
    bar.finish(generation_text(**report));
  return report;
}

outcome run_once(context& ctx, const backup_arguments& given) {
  int signal_number = 0;
  expected<std::optional<backup_report>> report{errc::internal};
  {
    interrupt_guard guard;
    report = write_once(ctx, given);
    signal_number = interrupt_guard::signal_number();
  }
  if (!report)
    return failed(report.error());
  if (!*report) {
    end_by_signal(signal_number);
    return failed(failure{errc::deadline, "stopped while backing up"});
  }
  if (ctx.output == output_format::json) {
    nlohmann::ordered_json object{{"directory", given.directory}};
    object.update(generation_json(**report));
    ctx.out << object.dump(2) << '\n';
  }
  return std::nullopt;
}

void wait_until(steady_clock::time_point moment) {
  while (!interrupt_guard::requested() && steady_clock::now() < moment)
    std::this_thread::sleep_for(std::min<steady_clock::duration>(
      watch_interval, moment - steady_clock::now()));
}

void show_generation(context& ctx, const backup_report& report) {
  if (!report.written)
    return;
  if (ctx.output == output_format::json)
    ctx.out << generation_json(report).dump() << '\n';
  else
    ctx.out << generation_text(report) << '\n';
  ctx.out.flush();
}

// Whoever stops it has asked for its end, so that is not a failure.
outcome run_repeatedly(context& ctx, const backup_arguments& given) {
  auto data = open_segment(given.segment, access_mode::read_write);
  if (!data)
    return failed(data.error());
  auto writer = backup_writer::open(*data, given.directory, options_of(given));
  if (!writer)
    return failed(writer.error());
  interrupt_guard guard;
  while (!interrupt_guard::requested()) {
    auto next =
      steady_clock::now() + std::chrono::milliseconds{given.interval_ms};
    auto report = write_generation(*writer, nullptr);
    if (!report)
      return failed(report.error());
    if (*report)
      show_generation(ctx, **report);
    wait_until(next);
  }
  return std::nullopt;
}

// A bar for a step that tells how much there is when it begins.
class reading_progress {
public:
  reading_progress(context& ctx, std::string label)
    : shown_{ctx}, label_{std::move(label)} {
  }

  [[nodiscard]] memory::backup_progress callback() {
    return [this](std::uint64_t done, std::uint64_t total) {
      if (!bar_)
        bar_.emplace(shown_.stream(), shown_.traits(), label_, total,
                     progress_unit::bytes);
      bar_->update(done);
    };
  }

  void finish(const memory::restore_report& report) {
    if (bar_)
      bar_->finish(human_entries(report.entries) + ", "
                   + human_bytes(report.bytes));
  }

private:
  progress_output shown_;
  std::string label_;
  std::optional<progress> bar_;
};

outcome run_verify(context& ctx, const backup_arguments& given) {
  expected<memory::restore_report> report{errc::internal};
  {
    reading_progress bar{ctx, "verify"};
    report = memory::verify_backup(given.directory, bar.callback());
    if (report)
      bar.finish(*report);
  }
  if (!report)
    return failed(report.error());
  show_restore(ctx, given.directory, {}, *report);
  if (!report->intact())
    return failed(failure{
      errc::corrupt, "backup " + given.directory + ": " + damage_text(*report)
                       + ": expected none: \"neuroplex backup restore "
                         "--repair\" keeps what is whole"});
  return std::nullopt;
}

outcome run_restore(context& ctx, const backup_arguments& given) {
  memory::restore_options options;
  options.policy = given.repair ? repair_policy::repair : repair_policy::refuse;
  options.threads = static_cast<unsigned>(given.threads);
  if (given.segment_bytes != 0) {
    options.segment.emplace();
    options.segment->segment_bytes = given.segment_bytes;
  }
  expected<memory::restore_report> report{errc::internal};
  {
    reading_progress bar{ctx, "restore"};
    options.progress = bar.callback();
    report = memory::restore_backup(given.directory, given.path, options);
    if (report)
      bar.finish(*report);
  }
  if (!report)
    return failed(report.error());
  show_restore(ctx, given.directory, given.path, *report);
  return std::nullopt;
}

outcome run_check(context& ctx, const backup_arguments& given) {
  auto path = segment_file(given.path);
  auto opened = memory::open_checked(
    path, given.repair ? repair_policy::repair : repair_policy::refuse);
  if (!opened)
    return failed(opened.error());
  show_check(ctx, path, opened->report);
  return std::nullopt;
}

void add_segment(CLI::App& app, backup_arguments& given) {
  add_text(app, "--segment", given.segment,
           "The segment, or the data directory that holds it [" + given.segment
             + "]")
    ->type_name("FILE");
}

void add_writer_flags(CLI::App& app, backup_arguments& given) {
  constexpr std::uint64_t most_fold_percent = 10'000;
  add_argument(app, "DIRECTORY", given.directory,
               "Where the backup is, or is to be");
  add_segment(app, given);
  add_number(app, "--fold-percent", given.fold_percent, 1, most_fold_percent,
             "Write everything anew when the changes have grown to this share "
             "of it [100]");
}

void add_writers(CLI::App& command, context& ctx,
                 const std::shared_ptr<backup_arguments>& given) {
  constexpr std::uint64_t least_interval_ms = 10;
  constexpr std::uint64_t most_interval_ms = 86'400'000;
  auto& once = add_subcommand(
    command, ctx, given, "once",
    "Write what has changed since the last time, and end", run_once);
  add_writer_flags(once, *given);
  add_examples(once, {"neuroplex backup once /backup/neuroplex",
                      "neuroplex backup once /backup/neuroplex --segment "
                      "/var/lib/neuroplex --output json"});

  auto& run = add_subcommand(
    command, ctx, given, "run",
    "Write what has changed again and again, until it is stopped; with "
    "--output json a line for each generation",
    run_repeatedly);
  add_writer_flags(run, *given);
  add_duration(run, "--interval", given->interval_ms, least_interval_ms,
               most_interval_ms, "Time from one generation to the next [1s]");
  add_examples(run, {"neuroplex backup run /backup/neuroplex --interval 10s"});
}

void add_readers(CLI::App& command, context& ctx,
                 const std::shared_ptr<backup_arguments>& given) {
  constexpr std::uint64_t most_threads = 256;
  auto& verify =
    add_subcommand(command, ctx, given, "verify",
                   "Read a backup and check every byte of it", run_verify);
  add_argument(verify, "DIRECTORY", given->directory, "Where the backup is");
  add_examples(verify, {"neuroplex backup verify /backup/neuroplex"});

  auto& restore =
    add_subcommand(command, ctx, given, "restore",
                   "Make a new segment from a backup", run_restore);
  add_argument(restore, "DIRECTORY", given->directory, "Where the backup is");
  add_argument(restore, "FILE", given->path,
               "The segment to make; there must be none");
  add_switch(restore, "--repair", given->repair,
             "Keep what is whole of a damaged backup and count the rest; "
             "refused otherwise");
  add_size(restore, "--segment-size", given->segment_bytes,
           limits::min_segment_bytes, limits::max_segment_bytes,
           "Size of the new segment [as it was]");
  add_number(restore, "--threads", given->threads, 1, most_threads,
             "Threads that read and insert [one a processor]");
  add_examples(restore,
               {"neuroplex backup restore /backup/neuroplex "
                "/var/lib/neuroplex/segment",
                "neuroplex backup restore /backup/neuroplex /dev/shm/rescued "
                "--repair"});

  auto& check = add_subcommand(
    command, ctx, given, "check",
    "Check a segment that was left by a crash or a power failure, with nobody "
    "attached: clean up after the dead, and tell what was kept",
    run_check);
  add_argument(check, "FILE", given->path,
               "The segment, or the data directory that holds it");
  add_switch(check, "--repair", given->repair,
             "Drop damaged entries and count them; refused otherwise");
  add_examples(check, {"neuroplex backup check /var/lib/neuroplex",
                       "neuroplex backup check /var/lib/neuroplex --repair"});
}

} // namespace

void add_backup(CLI::App& app, context& ctx) {
  auto given = std::make_shared<backup_arguments>();
  auto& command = *app.add_subcommand(
    "backup", "Back a segment up, verify and restore backups");
  command.require_subcommand(1);
  add_examples(command, {"neuroplex backup once /backup/neuroplex",
                         "neuroplex backup verify /backup/neuroplex",
                         "neuroplex backup restore /backup/neuroplex "
                         "/dev/shm/neuroplex-local-1"});
  add_writers(command, ctx, given);
  add_readers(command, ctx, given);
}

} // namespace neuroplex::cli
