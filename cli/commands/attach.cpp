#include "cli/commands/attach.hpp"

#include "cli/flags.hpp"
#include "cli/show.hpp"
#include "cli/target/segment_target.hpp"
#include "cli/terminal/units.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using memory::access_mode;

struct attach_arguments {
  std::string path;
  std::string key;
  std::string space = "default";
  std::uint64_t limit = 0;
  bool keys_only = false;
  bool exact = false;
};

outcome run_stats(context& ctx, const attach_arguments& given) {
  auto data = open_segment(given.path, access_mode::read_only);
  if (!data)
    return failed(data.error());
  show_segment(ctx, data->stats(), data->huge_page_bytes(), data->namespaces());
  return std::nullopt;
}

outcome run_namespaces(context& ctx, const attach_arguments& given) {
  auto data = open_segment(given.path, access_mode::read_only);
  if (!data)
    return failed(data.error());
  show_namespaces(ctx, data->namespaces());
  return std::nullopt;
}

outcome run_get(context& ctx, const attach_arguments& given) {
  auto source = open_segment_target(given.path, access_mode::read_only);
  if (!source)
    return failed(source.error());
  auto found = (*source)->get(given.space, given.key);
  if (!found)
    return failed(found.error());
  show_entry(ctx, given.space, given.key, *found, byte_encoding::text,
             given.exact);
  return std::nullopt;
}

outcome run_scan(context& ctx, const attach_arguments& given) {
  auto source = open_segment_target(given.path, access_mode::read_only);
  if (!source)
    return failed(source.error());
  scan_request request;
  request.space = given.space;
  request.limit = given.limit;
  request.with_values = !given.keys_only;
  return show_scan(ctx, **source, request);
}

outcome run_verify(context& ctx, const attach_arguments& given) {
  auto data = open_segment(given.path, access_mode::read_only);
  if (!data)
    return failed(data.error());
  auto damaged = data->verify();
  if (!damaged)
    return failed(damaged.error());
  auto entries = data->stats().entries;
  if (*damaged != 0)
    return failed(failure{errc::corrupt, "segment: " + human_entries(*damaged)
                                           + " damaged: expected none: restore "
                                             "them from where they came from"});
  if (ctx.output == output_format::json)
    ctx.out
      << nlohmann::ordered_json{{"entries", entries}, {"damaged", 0}}.dump(2)
      << '\n';
  else
    ctx.out << "ok: " << human_entries(entries) << ", none damaged\n";
  return std::nullopt;
}

} // namespace

void add_attach(CLI::App& app, context& ctx) {
  auto given = std::make_shared<attach_arguments>();
  auto& command = *app.add_subcommand(
    "attach", "Read a segment of this machine directly, without a node");
  add_argument(command, "FILE", given->path,
               "The segment, or the data directory that holds it");
  add_output(command, ctx);
  command.callback([&ctx, given] {
    if (!ctx.action)
      ctx.action = [&ctx, given] { return run_stats(ctx, *given); };
  });
  add_examples(command,
               {"neuroplex attach /dev/shm/neuroplex-local-1",
                "neuroplex attach /dev/shm/neuroplex-local-1 get greeting",
                "neuroplex attach /var/lib/neuroplex scan --namespace wordnet "
                "--limit 5",
                "neuroplex attach /var/lib/neuroplex verify"});

  auto& stats = add_subcommand(command, ctx, given, "stats",
                               "Counters and geometry; the default", run_stats);
  add_examples(stats, {"neuroplex attach FILE stats --output json"});

  auto& spaces = add_subcommand(command, ctx, given, "namespaces",
                                "List the namespaces", run_namespaces);
  add_examples(spaces, {"neuroplex attach FILE namespaces"});

  auto& get = add_subcommand(command, ctx, given, "get",
                             "Print the value of a key", run_get);
  add_argument(get, "KEY", given->key, "The key, 1 to 65535 bytes");
  add_text(get, "--namespace", given->space, "Namespace [default]")
    ->type_name("NAME");
  add_switch(get, "--exact", given->exact, "Print no line end after the value");
  add_examples(get, {"neuroplex attach FILE get word/dog --namespace wordnet"});

  auto& scan = add_subcommand(command, ctx, given, "scan",
                              "List the entries of a namespace", run_scan);
  add_text(scan, "--namespace", given->space, "Namespace [default]")
    ->type_name("NAME");
  add_number(scan, "--limit", given->limit, 1, ~std::uint64_t{0},
             "Stop after about so many entries [all]");
  add_switch(scan, "--keys-only", given->keys_only, "Leave values out");
  add_examples(scan, {"neuroplex attach FILE scan --limit 10"});

  auto& verify = add_subcommand(command, ctx, given, "verify",
                                "Check every entry's checksum", run_verify);
  add_examples(verify, {"neuroplex attach FILE verify"});
}

} // namespace neuroplex::cli
