#include "cli/commands/raft.hpp"

#include "cli/agreement_view.hpp"
#include "cli/flags.hpp"
#include "cli/target/node_client.hpp"
#include "cli/target/target_flags.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

struct raft_arguments {
  std::string node{default_node_address};
  std::uint64_t timeout_ms = 5'000;
  std::string member;
  std::uint64_t group = 0; ///< 0: all
};

expected<actors::client> connect(const raft_arguments& given) {
  return connect_to_node(given.node,
                         std::chrono::milliseconds{given.timeout_ms});
}

outcome run_status(context& ctx, const raft_arguments& given) {
  auto client = connect(given);
  if (!client)
    return failed(client.error());
  auto report = client->stats();
  if (!report)
    return failed(report.error());
  const auto& agreement = report->agreement;
  if (ctx.output == output_format::json) {
    ctx.out << agreement_json(agreement).dump(2) << '\n';
    return std::nullopt;
  }
  if (!agreement.enabled)
    return failed(
      {errc::not_found, given.node
                          + ": no namespace of this node is agreed on: "
                            "give one consistency=linearizable"});
  fact_list facts{ctx, "node " + std::to_string(report->replica_id)
                         + " of cluster " + config::quote(report->cluster)};
  add_agreement(facts, agreement);
  show_groups(ctx, agreement);
  show_members(ctx, agreement, given.group);
  return std::nullopt;
}

outcome operate(context& ctx, const raft_arguments& given,
                const std::string& wish, const std::string& done) {
  std::uint32_t member = 0;
  if (!given.member.empty()) {
    const auto* end = given.member.data() + given.member.size();
    auto read = std::from_chars(given.member.data(), end, member);
    if (read.ec != std::errc{} || read.ptr != end || member == 0)
      return diagnostic{problem::range,
                        "ID: " + config::quote(given.member)
                          + ": expected a replica id, 1 to 4294967295"};
  }
  auto client = connect(given);
  if (!client)
    return failed(client.error());
  if (auto how = client->operate_agreement(wish, member, given.group); !how)
    return failed(how.error());
  if (ctx.output == output_format::json)
    ctx.out << nlohmann::ordered_json{{"wish", wish}, {"done", true}}.dump(2)
            << '\n';
  else
    ctx.out << done << '\n';
  return std::nullopt;
}

outcome run_add(context& ctx, const raft_arguments& given) {
  return operate(ctx, given, "add",
                 "under way: a new member begins as a learner; add it once "
                 "more when it has caught up, and it votes");
}

outcome run_remove(context& ctx, const raft_arguments& given) {
  return operate(ctx, given, "remove", "under way: see neuroplex raft status");
}

outcome run_transfer(context& ctx, const raft_arguments& given) {
  return operate(ctx, given, "transfer", "node " + given.member + " leads");
}

outcome run_pbft(context& ctx, const raft_arguments& given) {
  return operate(ctx, given, "pbft",
                 "this node wants it; the group leaves Raft when f + 1 of its "
                 "nodes do: see neuroplex raft status");
}

outcome run_snapshot(context& ctx, const raft_arguments& given) {
  return operate(ctx, given, "snapshot", "taken");
}

void add_group(CLI::App& app, const std::shared_ptr<raft_arguments>& given,
               const std::string& otherwise) {
  add_number(app, "--group", given->group, 1, 1'024,
             "One group only [" + otherwise + "]");
}

void add_target(CLI::App& app, const std::shared_ptr<raft_arguments>& given,
                const std::string& which) {
  add_text(app, "--node", given->node, which + " [" + given->node + "]")
    ->type_name("HOST:PORT");
  add_duration(app, "--timeout", given->timeout_ms, 1, 600'000,
               "How long to wait for it [5s]");
}

} // namespace

void add_raft(CLI::App& app, context& ctx) {
  auto given = std::make_shared<raft_arguments>();
  auto& command = *app.add_subcommand(
    "raft", "Show and change who agrees on linearizable namespaces");
  command.require_subcommand(1);
  add_examples(command, {"neuroplex raft status",
                         "neuroplex raft add 4 --node 127.0.0.1:7400",
                         "neuroplex raft transfer 2"});

  auto& status =
    add_subcommand(command, ctx, given, "status",
                   "Show leader, term, progress and members", run_status);
  add_target(status, given, "Any node");
  add_group(status, given, "members of the first");
  add_examples(status, {"neuroplex raft status --output json"});

  auto& add =
    add_subcommand(command, ctx, given, "add",
                   "Make a node a learner, or a learner a voter", run_add);
  add_argument(add, "ID", given->member, "Its replica id");
  add_target(add, given, "Any member");
  add_group(add, given, "all");
  add_examples(add, {"neuroplex raft add 4"});

  auto& remove = add_subcommand(command, ctx, given, "remove",
                                "Have a node take no further part", run_remove);
  add_argument(remove, "ID", given->member, "Its replica id");
  add_target(remove, given, "Any member");
  add_group(remove, given, "all");
  add_examples(remove, {"neuroplex raft remove 4"});

  auto& transfer = add_subcommand(command, ctx, given, "transfer",
                                  "Let another node lead", run_transfer);
  add_argument(transfer, "ID", given->member, "Its replica id");
  add_target(transfer, given, "Any member");
  add_group(transfer, given, "all");
  add_examples(transfer, {"neuroplex raft transfer 2"});

  auto& pbft = add_subcommand(
    command, ctx, given, "pbft",
    "Have a node of a hybrid group ask for PBFT in the place of Raft",
    run_pbft);
  add_target(pbft, given, "That node");
  add_examples(pbft, {"neuroplex raft pbft --node 127.0.0.1:7410"});

  auto& snapshot =
    add_subcommand(command, ctx, given, "snapshot",
                   "Have a node take a snapshot now", run_snapshot);
  add_target(snapshot, given, "That node");
  add_group(snapshot, given, "all");
  add_examples(snapshot, {"neuroplex raft snapshot --node 127.0.0.1:7410"});
}

} // namespace neuroplex::cli
