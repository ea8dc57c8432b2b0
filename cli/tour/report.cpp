#include "cli/tour/report.hpp"

#include "cli/load/wordnet.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"

#include <functional>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

constexpr double nanoseconds_per_microsecond = 1000;

json latency_as_json(const latency_summary& from) {
  return {{"samples", from.samples},
          {"p50_ns", from.p50_ns},
          {"p99_ns", from.p99_ns}};
}

json latency_as_json_us(const latency_summary& from) {
  return {{"samples", from.samples},
          {"p50_us", from.p50_ns / nanoseconds_per_microsecond},
          {"p99_us", from.p99_ns / nanoseconds_per_microsecond}};
}

json node_as_json(const node_figures& from) {
  return {{"entries", from.entries},
          {"bytes", from.bytes},
          {"segment_get", latency_as_json(from.segment_get)},
          {"segment_set", latency_as_json(from.segment_set)},
          {"message_get", latency_as_json_us(from.message_get)},
          {"segment_used_bytes", from.segment_used_bytes},
          {"segment_bytes", from.segment_bytes},
          {"process_bytes", from.process_bytes}};
}

json concepts_as_json(const concept_figures& from) {
  return {{"concepts", from.concepts},
          {"associations", from.associations},
          {"lost", 0}, // or it ends without figures
          {"learn_seconds", from.learn_seconds},
          {"path_at_rest", latency_as_json_us(from.read_at_rest)},
          {"path_in_burst", latency_as_json_us(from.read_in_burst)},
          {"write_at_rest", latency_as_json(from.write_at_rest)},
          {"write_in_burst", latency_as_json(from.write_in_burst)},
          {"staleness", latency_as_json_us(from.staleness)}};
}

} // namespace

void print_report(std::ostream& out, const terminal_traits& traits,
                  const tour_report& report) {
  std::vector<table::column> columns{{"", table::align::left}};
  for (const auto& node : report.nodes)
    columns.push_back({"node " + std::to_string(node.replica_id)});
  columns.push_back({"cluster"});
  table figures{std::move(columns)};
  auto add = [&](std::string name,
                 const std::function<std::string(const node_figures&)>& cell) {
    std::vector<std::string> cells{std::move(name)};
    for (const auto& node : report.nodes)
      cells.push_back(cell(node));
    cells.push_back(cell(report.cluster));
    figures.add_row(std::move(cells));
  };
  add("entries", [](auto& node) { return human_count(node.entries); });
  add("bytes of keys and values",
      [](auto& node) { return human_bytes(node.bytes); });
  add("get in the segment, p50",
      [](auto& node) { return human_nanoseconds(node.segment_get.p50_ns); });
  add("get in the segment, p99",
      [](auto& node) { return human_nanoseconds(node.segment_get.p99_ns); });
  add("set in the segment, p50",
      [](auto& node) { return human_nanoseconds(node.segment_set.p50_ns); });
  add("set in the segment, p99",
      [](auto& node) { return human_nanoseconds(node.segment_set.p99_ns); });
  add("get by messages, p50",
      [](auto& node) { return human_nanoseconds(node.message_get.p50_ns); });
  add("get by messages, p99",
      [](auto& node) { return human_nanoseconds(node.message_get.p99_ns); });
  add("segment, used",
      [](auto& node) { return human_bytes(node.segment_used_bytes); });
  add("segment, size",
      [](auto& node) { return human_bytes(node.segment_bytes); });
  add("process memory beside it",
      [](auto& node) { return human_bytes(node.process_bytes); });
  figures.print(out, traits);
}

std::string report_as_json(const tour_report& report) {
  json nodes = json::array();
  for (const auto& node : report.nodes) {
    json one{{"replica_id", node.replica_id}};
    one.update(node_as_json(node));
    nodes.push_back(std::move(one));
  }
  const auto& outage = report.outage;
  const auto& partition = report.partition;
  json result{{"input",
               {{"name", "WordNet 3.0"},
                {"notice", wordnet_notice},
                {"licence", wordnet_licence_path},
                {"synsets", report.synsets},
                {"words", report.words},
                {"senses", report.senses},
                {"pointers", report.pointers},
                {"pointer_kinds", report.pointer_kinds}}},
              {"entries", report.entries},
              {"bytes", report.bytes},
              {"load_seconds", report.load_seconds},
              {"message_read_seconds", report.message_read_seconds},
              {"compared_in_segments", report.compared_in_segments},
              {"compared_by_messages", report.compared_by_messages},
              {"differences", 0}, // a tour that meets one ends without figures
              {"nodes", std::move(nodes)},
              {"cluster", node_as_json(report.cluster)},
              {"outage",
               {{"replica_id", outage.replica_id},
                {"noticed_ms", outage.noticed_ms},
                {"served", outage.served},
                {"unavailable", outage.unavailable},
                {"unavailable_get", latency_as_json_us(outage.unavailable_get)},
                {"back_ms", outage.back_ms}}},
              {"agreement",
               {{"replica_id", report.agreement.replica_id},
                {"acknowledged", report.agreement.acknowledged},
                {"lost", 0}, // or it ends without figures
                {"gap_ms", report.agreement.gap_ms}}},
              {"partition",
               {{"replica_id", partition.replica_id},
                {"entries", partition.entries},
                {"written_apart", partition.written_apart},
                {"differences", 0}, // or it ends without figures
                {"converged_ms", partition.converged_ms},
                {"bytes_sent", partition.bytes_sent},
                {"state_bytes", partition.state_bytes}}},
              {"concept_memory", concepts_as_json(report.concepts)},
              {"total_seconds", report.total_seconds}};
  return result.dump();
}

} // namespace neuroplex::cli
