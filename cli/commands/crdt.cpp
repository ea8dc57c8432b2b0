#include "cli/commands/crdt.hpp"

#include "cli/crdt/replay.hpp"
#include "cli/crdt/replicas.hpp"
#include "cli/flags.hpp"
#include "cli/load/input.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

struct replay_arguments {
  std::string path;
};

// A line for each trace that failed, and at last a line with both counts.
class replay_report {
public:
  explicit replay_report(context& ctx) : ctx_{ctx} {
  }

  void add(std::uint64_t line, const expected<void>& result) {
    if (result) {
      ++passed_;
      return;
    }
    ++failed_;
    if (ctx_.output == output_format::json)
      failures_.push_back(
        {{"line", line}, {"message", result.error().message()}});
    else
      ctx_.out << "line " << line << ": " << result.error().message() << '\n';
  }

  outcome finish() {
    if (ctx_.output == output_format::json)
      ctx_.out << nlohmann::ordered_json{{"passed", passed_},
                                         {"failed", failed_},
                                         {"failures", failures_}}
                    .dump(2, ' ', false,
                          nlohmann::ordered_json::error_handler_t::replace)
               << '\n';
    else
      ctx_.out << passed_ << " passed, " << failed_ << " failed\n";
    if (failed_ == 0)
      return std::nullopt;
    return failed(failure{errc::mismatch,
                          std::to_string(failed_)
                            + " traces: not followed: see the lines above"});
  }

private:
  context& ctx_;
  std::uint64_t passed_ = 0;
  std::uint64_t failed_ = 0;
  nlohmann::ordered_json failures_ = nlohmann::ordered_json::array();
};

outcome run_replay(context& ctx, const replay_arguments& given) {
  auto source = open_source(given.path);
  if (!source)
    return failed(source.error());
  line_reader lines{std::move(*source)};
  replay_report report{ctx};
  for (std::string_view line;;) {
    auto more = lines.next(line);
    if (!more)
      return failed(more.error());
    if (!*more)
      break;
    if (lines.line_number() == 1 && line.starts_with(byte_order_mark))
      line.remove_prefix(byte_order_mark.size());
    if (!is_blank(line))
      report.add(lines.line_number(), replay_trace(line));
  }
  return report.finish();
}

} // namespace

void add_crdt(CLI::App& app, context& ctx) {
  auto& command = *app.add_subcommand(
    "crdt", "Replicated data types, and the replicas of nodes");
  command.require_subcommand(1);
  auto given = std::make_shared<replay_arguments>();
  auto& replay = add_subcommand(
    command, ctx, given, "replay",
    "Run traces of operations and compare what replicas show", run_replay);
  add_argument(replay, "FILE", given->path, "A trace a line; - is stdin");
  add_examples(replay, {"neuroplex crdt replay oracle-traces.jsonl"});
  add_replica_commands(command, ctx);
  add_examples(command,
               {"neuroplex crdt status", "neuroplex crdt verify --space db1",
                "neuroplex crdt replay oracle-traces.jsonl"});
}

} // namespace neuroplex::cli
