#include "cli/crdt/replicas.hpp"

#include "cli/flags.hpp"
#include "cli/target/node_client.hpp"
#include "cli/target/target_flags.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

struct replica_arguments {
  std::string node{default_node_address};
  std::string space; ///< empty: all
  std::uint64_t timeout_ms = 10'000;
};

expected<actors::client> connect(const replica_arguments& given) {
  return connect_to_node(given.node,
                         std::chrono::milliseconds{given.timeout_ms});
}

// Keys are bytes; what is no UTF-8 is shown with a mark in its place.
void print_document(context& ctx, const json& all) {
  ctx.out << all.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

outcome no_replicas(const replica_arguments& given) {
  return failed({errc::not_found,
                 given.node + ": "
                   + (given.space.empty()
                        ? "no namespace of this node"
                        : "namespace " + config::quote(given.space) + ": it")
                   + " has no replicas: give one consistency=eventual"});
}

bool wanted(const replica_arguments& given, const std::string& space) {
  return given.space.empty() || given.space == space;
}

json report_json(const actors::replica_report& one) {
  auto peers = json::array();
  for (const auto& peer : one.peers)
    peers.push_back({{"replica_id", peer.replica_id},
                     {"incarnation", peer.incarnation},
                     {"connected", peer.connected},
                     {"acknowledged", peer.acknowledged},
                     {"kept_bytes", peer.kept_bytes},
                     {"age_ms", peer.age_ms}});
  return {{"space", one.space},
          {"shard", one.shard},
          {"incarnation", one.incarnation},
          {"keys", one.keys},
          {"facts", one.facts},
          {"fact_bytes", one.fact_bytes},
          {"recorded", one.recorded},
          {"buffered", one.buffered},
          {"waiting", one.waiting},
          {"messages_sent", one.messages_sent},
          {"bytes_sent", one.bytes_sent},
          {"bytes_saved", one.bytes_packed},
          {"messages_refused", one.messages_refused},
          {"digest_syncs", one.digest_syncs},
          {"problem", one.problem},
          {"peers", std::move(peers)}};
}

std::string acknowledged_text(const actors::replica_report& one) {
  std::string result;
  for (const auto& peer : one.peers)
    result += (result.empty() ? "" : " ") + std::to_string(peer.replica_id)
              + ":"
              + (peer.connected ? std::to_string(peer.acknowledged) : "away");
  return result;
}

outcome show_replicas(context& ctx, const replica_arguments& given) {
  auto client = connect(given);
  if (!client)
    return failed(client.error());
  auto report = client->stats();
  if (!report)
    return failed(report.error());
  auto list = json::array();
  table shown{{{"namespace", table::align::left},
               {"shard"},
               {"keys"},
               {"facts"},
               {"changes"},
               {"sent"},
               {"bytes sent"},
               {"acknowledged by", table::align::left}}};
  for (const auto& one : report->replicas) {
    if (!wanted(given, one.space))
      continue;
    list.push_back(report_json(one));
    shown.add_row({one.space, std::to_string(one.shard),
                   std::to_string(one.keys), std::to_string(one.facts),
                   std::to_string(one.recorded),
                   std::to_string(one.messages_sent),
                   std::to_string(one.bytes_sent), acknowledged_text(one)});
  }
  if (list.empty())
    return no_replicas(given);
  if (ctx.output == output_format::json)
    print_document(ctx,
                   {{"replica_id", report->replica_id}, {"replicas", list}});
  else
    shown.print(ctx.out, ctx.terminal, 0);
  return std::nullopt;
}

std::string verdict_text(const actors::replica_comparison& one) {
  if (!one.answered)
    return "no answer";
  if (one.differing == 0)
    return "the same";
  // Changes that are on their way make a difference, and are no fault.
  return one.same_context ? "differs" : "not all has arrived yet";
}

outcome compare_replicas(context& ctx, const replica_arguments& given) {
  auto client = connect(given);
  if (!client)
    return failed(client.error());
  auto verdict = client->verify_replicas(given.space);
  if (!verdict)
    return verdict.code() == errc::not_found ? no_replicas(given)
                                             : failed(verdict.error());
  auto list = json::array();
  std::uint64_t differing = 0;
  std::uint64_t silent = 0;
  table shown{{{"namespace", table::align::left},
               {"shard"},
               {"node"},
               {"verdict", table::align::left},
               {"keys"},
               {"such as", table::align::left}}};
  for (const auto& one : verdict->nodes) {
    differing += one.differing;
    silent += one.answered ? 0 : 1;
    list.push_back({{"space", one.space},
                    {"shard", one.shard},
                    {"replica_id", one.replica_id},
                    {"answered", one.answered},
                    {"same_context", one.same_context},
                    {"differing", one.differing},
                    {"keys", one.keys}});
    shown.add_row({one.space, std::to_string(one.shard),
                   std::to_string(one.replica_id), verdict_text(one),
                   std::to_string(one.differing),
                   one.keys.empty() ? "" : config::quote(one.keys.front())});
  }
  if (ctx.output == output_format::json)
    print_document(
      ctx, {{"differing", differing}, {"silent", silent}, {"nodes", list}});
  else
    shown.print(ctx.out, ctx.terminal, 0);
  return std::nullopt;
}

outcome resolve_conflicts(context& ctx, const replica_arguments& given) {
  auto client = connect(given);
  if (!client)
    return failed(client.error());
  auto resolved = client->resolve_replicas(given.space);
  if (!resolved)
    return resolved.code() == errc::not_found ? no_replicas(given)
                                              : failed(resolved.error());
  if (ctx.output == output_format::json)
    print_document(ctx, {{"resolved", *resolved}});
  else
    ctx.out << human_count(*resolved, "conflict", "conflicts") << " resolved\n";
  return std::nullopt;
}

void add_target(CLI::App& app,
                const std::shared_ptr<replica_arguments>& given) {
  add_text(app, "--node", given->node, "Any node [" + given->node + "]")
    ->type_name("HOST:PORT");
  add_text(app, "--space", given->space, "One namespace only [all]");
  add_duration(app, "--timeout", given->timeout_ms, 1, 600'000,
               "How long to wait for it [10s]");
}

} // namespace

void add_replica_commands(CLI::App& crdt, context& ctx) {
  auto given = std::make_shared<replica_arguments>();
  auto& status = add_subcommand(crdt, ctx, given, "status",
                                "Show the replicas of a node and who has what",
                                show_replicas);
  add_target(status, given);
  add_examples(status, {"neuroplex crdt status --output json"});

  auto& verify =
    add_subcommand(crdt, ctx, given, "verify",
                   "Compare the replicas of a node with those of all others",
                   compare_replicas);
  add_target(verify, given);
  add_examples(verify, {"neuroplex crdt verify --space db1"});

  auto& resolve = add_subcommand(
    crdt, ctx, given, "resolve",
    "Resolve what was written at the same time: the last write stays",
    resolve_conflicts);
  add_target(resolve, given);
  add_examples(resolve, {"neuroplex crdt resolve --space db1"});
}

} // namespace neuroplex::cli
