#include "cli/commands/load.hpp"

#include "cli/flags.hpp"
#include "cli/load/csv.hpp"
#include "cli/load/json_lines.hpp"
#include "cli/load/loader.hpp"
#include "cli/load/segment_check.hpp"
#include "cli/load/wordnet.hpp"
#include "cli/progress_output.hpp"
#include "cli/target/target_flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/units.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using reader_ptr = std::unique_ptr<record_reader>;

struct load_arguments {
  target_flags on;
  std::string input;
  csv_options csv;
  std::uint64_t batch_entries = loader_options{}.batch_entries;
  std::vector<std::string> compare_with;
  expected<reader_ptr> (*open)(const load_arguments&) = nullptr;
  std::string note; // printed first, as text
};

expected<reader_ptr> open_wordnet(const load_arguments& given) {
  auto reader = wordnet_reader::open(given.input);
  if (!reader)
    return reader.error();
  return reader_ptr{std::move(*reader)};
}

expected<reader_ptr> open_json_lines(const load_arguments& given) {
  auto source = open_source(given.input);
  if (!source)
    return source.error();
  return reader_ptr{std::make_unique<json_lines_reader>(std::move(*source))};
}

expected<reader_ptr> open_csv(const load_arguments& given) {
  auto source = open_source(given.input);
  if (!source)
    return source.error();
  return reader_ptr{
    std::make_unique<csv_reader>(std::move(*source), given.csv)};
}

// Ends by the signal if there was one, else answers the failure.
outcome stopped(int signal_number, const failure& what) {
  if (signal_number != 0)
    end_by_signal(signal_number);
  return failed(what);
}

expected<load_report> store_all(context& ctx, const load_arguments& given,
                                record_reader& reader, target& sink) {
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "load", reader.total_bytes(),
               progress_unit::bytes};
  loader_options options;
  options.batch_entries = given.batch_entries;
  loader carrier{[&](std::span<memory::set_request> batch) {
                   return sink.set_many(given.on.space(), batch);
                 },
                 options};
  auto loaded = carrier.load(reader, [&](const load_report&) {
    bar.update(reader.bytes_read());
    return !interrupt_guard::requested();
  });
  if (loaded)
    bar.finish(human_entries(loaded->entries) + ", "
               + human_bytes(loaded->key_bytes + loaded->value_bytes));
  return loaded;
}

outcome run_load(context& ctx, const load_arguments& given) {
  auto reader = given.open(given);
  if (!reader)
    return failed(reader.error());
  auto sink = given.on.open(memory::access_mode::read_write);
  if (!sink)
    return failed(sink.error());
  if (ctx.output == output_format::text && !given.note.empty())
    ctx.out << given.note << '\n';
  int signal_number = 0;
  expected<load_report> loaded{errc::internal};
  {
    interrupt_guard guard;
    loaded = store_all(ctx, given, **reader, **sink);
    signal_number = interrupt_guard::signal_number();
  }
  if (!loaded)
    return stopped(signal_number, loaded.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"target", (*sink)->name()},
                    {"namespace", given.on.space()},
                    {"entries", loaded->entries},
                    {"key_bytes", loaded->key_bytes},
                    {"value_bytes", loaded->value_bytes},
                    {"batches", loaded->batches},
                    {"sent_again", loaded->sent_again}}
                 .dump(2)
            << '\n';
  return std::nullopt;
}

expected<segment_comparison>
compare_all(context& ctx, const load_arguments& given, record_reader& reader) {
  constexpr std::uint64_t entries_between_reports = 512;
  auto check = segment_check::open(given.compare_with, given.on.space());
  if (!check)
    return check.error();
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "compare", reader.total_bytes(),
               progress_unit::bytes};
  record entry;
  for (std::uint64_t count = 0;; ++count) {
    auto step = reader.next(entry);
    if (!step)
      return step.error();
    if (*step == read_step::end)
      break;
    check->compare(entry);
    if (count % entries_between_reports != 0)
      continue;
    bar.update(reader.bytes_read());
    if (interrupt_guard::requested())
      return failure{errc::deadline, "stopped while comparing"};
  }
  auto result = check->finish();
  bar.finish(human_count(result.equal) + " of " + human_entries(result.entries)
             + " equal");
  return result;
}

outcome run_compare(context& ctx, const load_arguments& given) {
  auto reader = given.open(given);
  if (!reader)
    return failed(reader.error());
  int signal_number = 0;
  expected<segment_comparison> result{errc::internal};
  {
    interrupt_guard guard;
    result = compare_all(ctx, given, **reader);
    signal_number = interrupt_guard::signal_number();
  }
  if (!result)
    return stopped(signal_number, result.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"same", result->same()},
                    {"entries", result->entries},
                    {"bytes", result->bytes},
                    {"equal", result->equal},
                    {"missing", result->missing},
                    {"different", result->different},
                    {"repeated", result->repeated},
                    {"stored", result->stored},
                    {"equal_by_segment", result->equal_by_segment},
                    {"first_difference", result->first_difference}}
                 .dump(2)
            << '\n';
  if (!result->same())
    return failed(
      failure{errc::corrupt,
              result->first_difference + ": " + std::to_string(result->missing)
                + " missing, " + std::to_string(result->different)
                + " different, " + std::to_string(result->repeated)
                + " repeated: expected the input and nothing else"});
  return std::nullopt;
}

// A format as a subcommand of `load`.
CLI::App& add_format(CLI::App& load, context& ctx,
                     const std::shared_ptr<load_arguments>& given,
                     const std::string& name, const std::string& doc) {
  constexpr std::uint64_t max_batch_entries = 65'536;
  auto& command = *load.add_subcommand(name, doc);
  given->on.add_to(command);
  add_number(command, "--batch", given->batch_entries, 1, max_batch_entries,
             "Entries sent at a time [1024]");
  command
    .add_option("--compare-with", given->compare_with,
                "Load nothing: compare the input with what these segments "
                "hold, byte for byte; may be repeated")
    ->type_name("FILE")
    ->allow_extra_args(false);
  add_output(command, ctx);
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] {
      return given->compare_with.empty() ? run_load(ctx, *given)
                                         : run_compare(ctx, *given);
    };
  });
  return command;
}

void add_wordnet(CLI::App& load, context& ctx) {
  auto given = std::make_shared<load_arguments>();
  given->input = wordnet_directory;
  given->note =
    std::string{wordnet_notice} + ' ' + std::string{wordnet_licence_path};
  given->open = open_wordnet;
  auto& command = add_format(load, ctx, given, "wordnet",
                             "WordNet 3.0: a key a synset, a key a word");
  add_argument(command, "DIRECTORY", given->input,
               "Where data.noun and its kin are [/usr/share/wordnet]", false);
  add_examples(command, {"neuroplex load wordnet --namespace wordnet",
                         "neuroplex get --namespace wordnet word/dog",
                         "neuroplex load wordnet --namespace wordnet "
                         "--compare-with /dev/shm/segment"});
}

void add_json_lines(CLI::App& load, context& ctx) {
  auto given = std::make_shared<load_arguments>();
  given->open = open_json_lines;
  auto& command = add_format(
    load, ctx, given, "jsonl",
    R"(JSON lines: {"key":"...","value":"...","ttl_ms":1000} a line)");
  add_argument(command, "FILE", given->input, "Input; - is standard input");
  add_examples(command,
               {"neuroplex load jsonl entries.jsonl",
                R"(echo '{"key":"a","value":"1"}' | neuroplex load jsonl -)"});
}

void add_csv(CLI::App& load, context& ctx) {
  auto given = std::make_shared<load_arguments>();
  given->open = open_csv;
  auto& command =
    add_format(load, ctx, given, "csv", "CSV with a header row (RFC 4180)");
  add_argument(command, "FILE", given->input, "Input; - is standard input");
  auto& csv = given->csv;
  add_text(command, "--key-column", csv.key_column,
           "Column that holds the key [key]");
  add_text(command, "--value-column", csv.value_column,
           "Column that holds the value [value]");
  add_text(command, "--ttl-column", csv.ttl_column,
           "Column that holds the lifetime in ms, when it is there [ttl_ms]");
  add_flag(command, "--delimiter", "What parts the fields [,]", problem::range,
           [&csv](const std::string& text) -> expected<void> {
             constexpr std::string_view allowed = ",;|\t";
             if (text == "tab")
               csv.delimiter = '\t';
             else if (text.size() == 1
                      && allowed.find(text[0]) != std::string_view::npos)
               csv.delimiter = text[0];
             else
               return failure{errc::bad_argument, "one of , ; | tab"};
             return {};
           })
    ->type_name("CHAR");
  add_examples(command, {"neuroplex load csv users.csv --key-column id "
                         "--value-column name --namespace users"});
}

} // namespace

void add_load(CLI::App& app, context& ctx) {
  auto& load =
    *app.add_subcommand("load", "Load entries from WordNet, JSON lines, CSV");
  load.require_subcommand(1);
  add_examples(load, {"neuroplex load wordnet --namespace wordnet",
                      "neuroplex load jsonl entries.jsonl",
                      "neuroplex load csv users.csv --key-column id"});
  add_wordnet(load, ctx);
  add_json_lines(load, ctx);
  add_csv(load, ctx);
}

} // namespace neuroplex::cli
