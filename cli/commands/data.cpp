#include "cli/commands/data.hpp"

#include "cli/flags.hpp"
#include "cli/show.hpp"
#include "cli/streams.hpp"
#include "cli/target/target_flags.hpp"
#include "config/file.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using memory::access_mode;

struct data_arguments {
  target_flags on;
  std::string key;
  std::string value;
  std::string value_file;
  std::uint64_t ttl_ms = 0;
  bool keep_ttl = false;
  bool if_absent = false;
  bool if_present = false;
  bool exact = false;
  std::string by = "1";
  scan_request scan;
  bool keys_only = false;
};

// A subcommand on one target, whose action is `run`.
CLI::App& add_data_command(CLI::App& app, context& ctx,
                           const std::shared_ptr<data_arguments>& given,
                           const std::string& name, const std::string& doc,
                           outcome (*run)(context&, data_arguments&)) {
  auto& command = *app.add_subcommand(name, doc);
  given->on.add_to(command);
  given->on.add_encoding_to(command);
  add_output(command, ctx);
  command.callback([&ctx, given, run] {
    ctx.action = [&ctx, given, run] { return run(ctx, *given); };
  });
  return command;
}

// Prints that a change was made: as text nothing or `text`, as JSON what was
// changed and `more`.
void show_change(context& ctx, const data_arguments& given,
                 const std::string& key, const json& more,
                 const std::string& text) {
  if (ctx.output == output_format::text) {
    ctx.out << text;
    return;
  }
  json object;
  put_bytes(object, "namespace", given.on.space());
  put_bytes(object, "key", key);
  object.update(more);
  ctx.out << object.dump(2) << '\n';
}

outcome run_get(context& ctx, data_arguments& given) {
  std::string key;
  if (auto found = given.on.decode("KEY", given.key, key))
    return found;
  auto source = given.on.open(access_mode::read_only);
  if (!source)
    return failed(source.error());
  auto found = (*source)->get(given.on.space(), key);
  if (!found)
    return failed(found.error());
  show_entry(ctx, given.on.space(), key, *found, given.on.encoding(),
             given.exact);
  return std::nullopt;
}

// The value of `set`: the argument, a file, or standard input.
outcome take_value_of(const data_arguments& given, std::string& value) {
  if (given.value_file.empty())
    return given.on.decode("VALUE", given.value, value);
  auto bytes = given.value_file == "-"
                 ? read_standard_input(limits::max_value_bytes)
                 : config::read_file(given.value_file,
                                     {.max_bytes = limits::max_value_bytes});
  if (!bytes)
    return failed(bytes.error());
  value = std::move(*bytes);
  return std::nullopt;
}

outcome run_set(context& ctx, data_arguments& given) {
  if (given.if_absent && given.if_present)
    return diagnostic{problem::use, "--if-absent and --if-present: both "
                                    "given: expected one"};
  if (given.keep_ttl && given.ttl_ms != 0)
    return diagnostic{problem::use,
                      "--ttl and --keep-ttl: both given: expected one"};
  std::string key;
  std::string value;
  if (auto found = given.on.decode("KEY", given.key, key))
    return found;
  if (auto found = take_value_of(given, value))
    return found;
  auto sink = given.on.open(access_mode::read_write);
  if (!sink)
    return failed(sink.error());
  auto condition = given.if_absent    ? set_condition::if_absent
                   : given.if_present ? set_condition::if_present
                                      : set_condition::always;
  memory::set_options options{static_cast<std::int64_t>(given.ttl_ms),
                              given.keep_ttl};
  auto stored = (*sink)->set(given.on.space(), key, value, options, condition);
  if (!stored)
    return failed(stored.error());
  show_change(ctx, given, key,
              {{"stored", true}, {"value_bytes", value.size()}}, "stored\n");
  return std::nullopt;
}

outcome run_del(context& ctx, data_arguments& given) {
  std::string key;
  if (auto found = given.on.decode("KEY", given.key, key))
    return found;
  auto sink = given.on.open(access_mode::read_write);
  if (!sink)
    return failed(sink.error());
  if (auto erased = (*sink)->erase(given.on.space(), key); !erased)
    return failed(erased.error());
  show_change(ctx, given, key, {{"erased", true}}, "erased\n");
  return std::nullopt;
}

outcome run_incr(context& ctx, data_arguments& given) {
  std::string key;
  if (auto found = given.on.decode("KEY", given.key, key))
    return found;
  std::int64_t delta = 0;
  auto* end = given.by.data() + given.by.size();
  auto read = std::from_chars(given.by.data(), end, delta);
  if (read.ec != std::errc{} || read.ptr != end)
    return diagnostic{problem::range, "BY: " + config::quote(given.by)
                                        + ": expected -9223372036854775808 to "
                                          "9223372036854775807"};
  auto sink = given.on.open(access_mode::read_write);
  if (!sink)
    return failed(sink.error());
  auto sum = (*sink)->increment(given.on.space(), key, delta);
  if (!sum)
    return failed(sum.error());
  show_change(ctx, given, key, {{"value", *sum}}, std::to_string(*sum) + "\n");
  return std::nullopt;
}

outcome run_scan(context& ctx, data_arguments& given) {
  auto request = given.scan;
  request.space = given.on.space();
  request.with_values = !given.keys_only;
  request.encoding = given.on.encoding();
  if (auto found =
        given.on.decode("--prefix", given.scan.prefix, request.prefix))
    return found;
  auto source = given.on.open(access_mode::read_only);
  if (!source)
    return failed(source.error());
  return show_scan(ctx, **source, request);
}

} // namespace

void add_get(CLI::App& app, context& ctx) {
  auto given = std::make_shared<data_arguments>();
  auto& command = add_data_command(app, ctx, given, "get",
                                   "Print the value of a key", run_get);
  add_argument(command, "KEY", given->key, "The key, 1 to 65535 bytes");
  add_switch(command, "--exact", given->exact,
             "Print no line end after the value");
  add_examples(command,
               {"neuroplex get greeting",
                "neuroplex get word/dog --namespace wordnet --output json",
                "neuroplex get greeting --segment /dev/shm/neuroplex-local-1",
                "neuroplex get --encoding hex 00ff",
                "neuroplex get -- --key-that-looks-like-a-flag"});
}

void add_set(CLI::App& app, context& ctx) {
  auto given = std::make_shared<data_arguments>();
  auto& command =
    add_data_command(app, ctx, given, "set", "Store a value", run_set);
  add_argument(command, "KEY", given->key, "The key, 1 to 65535 bytes");
  given->on.add_create_to(command);
  auto* value =
    add_argument(command, "VALUE", given->value, "The value", false);
  auto* file = add_text(command, "--value-file", given->value_file,
                        "Take the value from a file, or \"-\" for standard "
                        "input");
  file->type_name("FILE");
  add_duration(command, "--ttl", given->ttl_ms, 1,
               static_cast<std::uint64_t>(limits::max_ttl_ms),
               "Lifetime, such as 90s or 1500 (milliseconds) [for ever]");
  add_switch(command, "--keep-ttl", given->keep_ttl,
             "Keep the lifetime of what is replaced");
  add_switch(command, "--if-absent", given->if_absent,
             "Only when there is no such key");
  add_switch(command, "--if-present", given->if_present,
             "Only when there is such a key");
  command.callback([&ctx, given, value, file] {
    ctx.action = [&ctx, given, value, file]() -> outcome {
      if ((value->count() == 0) == (file->count() == 0))
        return diagnostic{problem::use,
                          std::string{"VALUE: "}
                            + (value->count() == 0 ? "missing" : "given twice")
                            + ": expected VALUE or --value-file FILE"};
      return run_set(ctx, *given);
    };
  });
  add_examples(command,
               {"neuroplex set greeting hello",
                "neuroplex set session token --ttl 15m --if-absent",
                "neuroplex set picture --value-file photo.jpg",
                "neuroplex set greeting hello --segment ./data --create 64M",
                "date | neuroplex set now --value-file -"});
}

void add_del(CLI::App& app, context& ctx) {
  auto given = std::make_shared<data_arguments>();
  auto& command =
    add_data_command(app, ctx, given, "del", "Erase a key", run_del);
  add_argument(command, "KEY", given->key, "The key, 1 to 65535 bytes");
  add_examples(command, {"neuroplex del greeting"});
}

void add_incr(CLI::App& app, context& ctx) {
  auto given = std::make_shared<data_arguments>();
  auto& command = add_data_command(app, ctx, given, "incr",
                                   "Add to a 64-bit decimal integer", run_incr);
  add_argument(command, "KEY", given->key,
               "The key; an absent one counts as 0");
  add_argument(command, "BY", given->by, "What to add, may be negative [1]",
               false);
  add_examples(command, {"neuroplex incr visits", "neuroplex incr stock -3"});
}

void add_scan(CLI::App& app, context& ctx) {
  auto given = std::make_shared<data_arguments>();
  auto& command = add_data_command(app, ctx, given, "scan",
                                   "List the entries of a namespace", run_scan);
  add_text(command, "--prefix", given->scan.prefix, "Only keys that begin so");
  add_number(command, "--limit", given->scan.limit, 1, ~std::uint64_t{0},
             "Stop after about so many entries [all]");
  add_flag(command, "--from", "Go on where an earlier scan stopped",
           problem::range,
           [given](const std::string& text) -> expected<void> {
             auto place = parse_scan_place(text);
             if (!place)
               return place.error();
             given->scan.from = *place;
             return {};
           })
    ->type_name("PLACE");
  add_switch(command, "--keys-only", given->keys_only, "Leave values out");
  add_examples(command, {"neuroplex scan --limit 20",
                         "neuroplex scan --namespace wordnet --prefix word/dog",
                         "neuroplex scan --segment /dev/shm/neuroplex-local-1 "
                         "--keys-only --output json"});
}

} // namespace neuroplex::cli
