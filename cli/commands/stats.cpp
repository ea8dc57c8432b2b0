#include "cli/commands/stats.hpp"

#include "cli/agreement_view.hpp"
#include "cli/concept/show_concepts.hpp"
#include "cli/facts.hpp"
#include "cli/flags.hpp"
#include "cli/show.hpp"
#include "cli/target/node_client.hpp"
#include "cli/target/segment_target.hpp"
#include "cli/target/target_flags.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "cli/upkeep_view.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using actors::node_report;
using actors::peer_report;
using actors::peer_state;
using json = nlohmann::ordered_json;

std::string_view state_name(peer_state state) {
  switch (state) {
    case peer_state::never_met:
      return "never met";
    case peer_state::connected:
      return "connected";
    case peer_state::lost:
      return "lost";
    case peer_state::refused:
      return "refused";
  }
  return "unknown";
}

json peers_json(const std::vector<peer_report>& peers) {
  auto list = json::array();
  for (auto& peer : peers)
    list.push_back({{"replica_id", peer.replica_id},
                    {"state", state_name(peer.state)},
                    {"incarnation", peer.incarnation},
                    {"meetings", peer.meetings},
                    {"losses", peer.losses},
                    {"in_flight", peer.in_flight},
                    {"reason", peer.reason}});
  return list;
}

json segment_json(const actors::segment_report& s) {
  return {{"path", s.path},
          {"segment_bytes", s.segment_bytes},
          {"pool_bytes", s.pool_bytes},
          {"pool_used_bytes", s.pool_used_bytes},
          {"live_block_bytes", s.live_block_bytes},
          {"entries", s.entries},
          {"huge_page_bytes", s.huge_page_bytes},
          {"placement", s.placement},
          {"participants", s.participants},
          {"reads", s.reads},
          {"hits", s.hits},
          {"writes", s.writes},
          {"expired", s.expired},
          {"evicted", s.evicted},
          {"recoveries", s.recoveries},
          {"corrupt_reads", s.corrupt_reads},
          {"damage", s.damage}};
}

json start_json(const actors::start_report& s) {
  return {{"made", s.made},
          {"clean", s.clean},
          {"power_lost", s.power_lost},
          {"checked", s.checked},
          {"entries", s.entries},
          {"bytes", s.bytes},
          {"dropped", s.dropped},
          {"recovered_threads", s.recovered_threads},
          {"took_ms", s.took_ms},
          {"text", s.text}};
}

json gateway_json(const actors::gateway_report& g) {
  return {{"enabled", g.enabled},
          {"open", g.open},
          {"port", g.port},
          {"openings", g.openings},
          {"connections_open", g.connections_open},
          {"connections_accepted", g.connections_accepted},
          {"connections_refused", g.connections_refused},
          {"accept_pauses", g.accept_pauses},
          {"commands", g.commands},
          {"failed_commands", g.failed_commands},
          {"remote_commands", g.remote_commands},
          {"protocol_errors", g.protocol_errors},
          {"auth_failures", g.auth_failures},
          {"slow_readers_closed", g.slow_readers_closed},
          {"bytes_in", g.bytes_in},
          {"bytes_out", g.bytes_out},
          {"problem", g.problem}};
}

json tunnel_json(const actors::tunnel_report& t) {
  auto ended = json::object();
  auto refused = json::object();
  for (auto& each : t.endings)
    (each.refused ? refused : ended)[each.reason] = each.count;
  return {{"enabled", t.enabled},
          {"port", t.port},
          {"connections_open", t.connections_open},
          {"connections_pending", t.connections_pending},
          {"connections_accepted", t.connections_accepted},
          {"streams_established", t.streams_established},
          {"accept_pauses", t.accept_pauses},
          {"bytes_from_peers", t.bytes_from_peers},
          {"bytes_to_peers", t.bytes_to_peers},
          {"frames", t.frames},
          {"ended", ended},
          {"refused", refused},
          {"last_failure", t.last_failure}};
}

json report_json(const node_report& r) {
  auto& router = r.router;
  auto& requests = r.requests;
  return {{"cluster", r.cluster},
          {"replica_id", r.replica_id},
          {"process_id", r.process_id},
          {"incarnation", r.incarnation},
          {"uptime_ms", r.uptime_ms},
          {"placement_epoch", r.placement_epoch},
          {"shards", r.shards},
          {"local_shards", r.local_shards},
          {"restarts", r.restarts},
          {"start", start_json(r.start)},
          {"segment", segment_json(r.segment)},
          {"router",
           {{"local", router.local},
            {"forwarded", router.forwarded},
            {"retries", router.retries},
            {"busy", router.busy},
            {"unavailable", router.unavailable},
            {"unknown", router.unknown},
            {"stale", router.stale}}},
          {"requests",
           {{"requests", requests.requests},
            {"batches", requests.batches},
            {"batch_items", requests.batch_items},
            {"repeats", requests.repeats},
            {"conflicts", requests.conflicts},
            {"late", requests.late},
            {"refused", requests.refused},
            {"remembered", requests.remembered}}},
          {"gateway", gateway_json(r.gateway)},
          {"tunnel", tunnel_json(r.tunnel)},
          {"upkeep", upkeep_json(r.upkeep)},
          {"agreement", agreement_json(r.agreement)},
          {"concepts", concepts_json(r.concepts)},
          {"peers", peers_json(router.peers)}};
}

void show_peers(context& ctx, const std::vector<peer_report>& peers) {
  if (peers.empty())
    return;
  ctx.out << '\n';
  table rows{{{"peer", table::align::right},
              {"state", table::align::left},
              {"met", table::align::right},
              {"lost", table::align::right},
              {"in flight", table::align::right},
              {"reason", table::align::left}}};
  for (auto& peer : peers)
    rows.add_row({std::to_string(peer.replica_id),
                  std::string{state_name(peer.state)},
                  human_count(peer.meetings), human_count(peer.losses),
                  human_count(peer.in_flight), config::escape(peer.reason)});
  rows.print(ctx.out, ctx.terminal, 0);
}

void add_gateway(fact_list& facts, const actors::gateway_report& g) {
  if (!g.enabled)
    return;
  facts.add(
    "redis",
    g.open ? "port " + std::to_string(g.port) + ", "
               + human_count(g.connections_open, "connection", "connections")
               + " open, " + human_count(g.connections_accepted) + " accepted, "
               + human_count(g.connections_refused) + " refused"
           : "down: " + config::escape(g.problem));
  facts.add("redis commands", human_count(g.commands) + ", "
                                + human_count(g.remote_commands)
                                + " for other nodes, " + human_bytes(g.bytes_in)
                                + " in, " + human_bytes(g.bytes_out) + " out");
  facts.add(
    "redis errors",
    human_count(g.failed_commands, "refused command", "refused commands") + ", "
      + human_count(g.protocol_errors, "protocol error", "protocol errors")
      + ", " + human_count(g.auth_failures, "wrong password", "wrong passwords")
      + ", "
      + human_count(g.slow_readers_closed, "slow reader", "slow readers"));
}

void add_tunnel(fact_list& facts, const actors::tunnel_report& t) {
  if (!t.enabled)
    return;
  facts.add(
    "tunnel",
    (t.port != 0 ? "port " + std::to_string(t.port) + ", " : std::string{})
      + human_count(t.connections_open, "connection", "connections") + " open, "
      + human_bytes(t.bytes_from_peers) + " in, "
      + human_bytes(t.bytes_to_peers) + " out");
  std::string refused;
  for (auto& each : t.endings)
    if (each.refused)
      refused += (refused.empty() ? "" : ", ") + human_count(each.count) + " "
                 + config::escape(each.reason);
  facts.add("tunnel refused", refused.empty() ? "none" : refused);
  if (!t.last_failure.empty())
    facts.add("tunnel said", config::escape(t.last_failure));
}

void show_report(context& ctx, const node_report& r) {
  if (ctx.output == output_format::json) {
    ctx.out << report_json(r).dump(2) << '\n';
    return;
  }
  auto& s = r.segment;
  fact_list facts{ctx, "node " + std::to_string(r.replica_id) + " of cluster "
                         + config::quote(r.cluster)};
  facts.add("running for",
            human_duration(std::chrono::milliseconds{r.uptime_ms})
              + ", process " + std::to_string(r.process_id));
  facts.add("shards", std::to_string(r.local_shards) + " of "
                        + std::to_string(r.shards) + " are here");
  facts.add("segment",
            config::escape(s.path) + ", " + human_bytes(s.segment_bytes));
  facts.add("found", r.start.text);
  facts.add("memory placed", s.placement);
  facts.add("entries",
            human_count(s.entries) + " in " + human_bytes(s.live_block_bytes));
  facts.add("pool", percent_of(s.pool_used_bytes, s.pool_bytes) + " of "
                      + human_bytes(s.pool_bytes) + " used");
  facts.add("huge pages", human_bytes(s.huge_page_bytes));
  facts.add("reads", human_count(s.reads) + ", " + percent_of(s.hits, s.reads)
                       + " hits");
  facts.add("writes", human_count(s.writes) + ", " + human_count(s.expired)
                        + " expired, " + human_count(s.evicted) + " evicted");
  facts.add("requests",
            human_count(r.requests.requests) + " and "
              + human_count(r.requests.batches, "batch", "batches") + " of "
              + human_count(r.requests.batch_items, "item", "items"));
  facts.add("forwarded", human_count(r.router.forwarded) + ", "
                           + human_count(r.router.retries, "retry", "retries"));
  facts.add("not answered", human_count(r.router.unavailable) + " unavailable, "
                              + human_count(r.router.unknown) + " unknown, "
                              + human_count(r.router.busy) + " busy");
  facts.add("restarts", human_count(r.restarts) + " of actors, "
                          + human_count(s.recoveries) + " of participants, "
                          + human_count(s.corrupt_reads) + " corrupt reads");
  if (s.damage > 0)
    facts.add("damage mended", human_count(s.damage));
  add_upkeep(facts, r.upkeep);
  add_gateway(facts, r.gateway);
  add_tunnel(facts, r.tunnel);
  add_agreement(facts, r.agreement);
  add_concepts(facts, r.concepts);
  show_upkeep(ctx, r.upkeep);
  show_peers(ctx, r.router.peers);
  show_members(ctx, r.agreement, 0);
}

outcome run_stats(context& ctx, const target_flags& on) {
  if (!on.segment().empty()) {
    auto data = open_segment(on.segment(), memory::access_mode::read_only);
    if (!data)
      return failed(data.error());
    show_segment(ctx, data->stats(), data->huge_page_bytes(),
                 data->namespaces());
    return std::nullopt;
  }
  auto client =
    connect_to_node(on.node(), std::chrono::milliseconds{on.timeout_ms()});
  if (!client)
    return failed(client.error());
  auto report = client->stats();
  if (!report)
    return failed(report.error());
  show_report(ctx, *report);
  return std::nullopt;
}

} // namespace

void add_stats(CLI::App& app, context& ctx) {
  auto on = std::make_shared<target_flags>();
  auto& command = *app.add_subcommand(
    "stats", "Show the state of a node and its peers, or of a segment");
  on->add_to(command);
  add_output(command, ctx);
  command.callback(
    [&ctx, on] { ctx.action = [&ctx, on] { return run_stats(ctx, *on); }; });
  add_examples(command, {"neuroplex stats",
                         "neuroplex stats --node "
                         "127.0.0.1:7410 --output json",
                         "neuroplex stats --segment "
                         "/dev/shm/neuroplex-local-1"});
}

} // namespace neuroplex::cli
