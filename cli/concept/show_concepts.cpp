#include "cli/concept/show_concepts.hpp"

#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <nlohmann/json.hpp>

#include <chrono>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using concept_service::answer;
using concept_service::answered_concept;
using concept_service::answered_path;
using concepts::bound_hit;

constexpr std::size_t shown_content_bytes = 60;

/// Content need not be UTF-8; what is not is replaced.
void print(context& ctx, const json& what) {
  ctx.out << what.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

/// Tells when there may be more than what is shown.
void tell_bound(context& ctx, bound_hit hit) {
  if (hit != bound_hit::none)
    ctx.out << "(stopped at the bound of " << to_string(hit)
            << ": there may be more)\n";
}

json bound_json(bound_hit hit) {
  return hit == bound_hit::none ? json(nullptr) : json(to_string(hit));
}

std::string short_content(const answered_concept& shown) {
  auto text = shown.content.substr(0, shown_content_bytes);
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20)
      c = ' ';
  // Not in the middle of a character of UTF-8.
  if (text.size() < shown.content.size()) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U))
      text.pop_back();
    text += "...";
  }
  return text;
}

// Whether a path goes along its link at `place`, or against it.
bool is_out(const answer& found, const answered_path& path, std::size_t place) {
  return found.links[path.links[place]].source == path.concepts[place];
}

json path_json(const answer& found, const answered_path& path) {
  auto steps = json::array();
  for (std::size_t i = 0; i < path.concepts.size(); ++i) {
    const auto& shown = found.concepts[path.concepts[i]];
    json each{{"concept", shown.name}, {"id", shown.id.to_string()}};
    if (i != 0) {
      const auto& link = found.links[path.links[i - 1]];
      each["by"] = link.type;
      each["direction"] = is_out(found, path, i - 1) ? "out" : "in";
      each["weight"] = link.weight;
      each["confidence"] = link.confidence;
    }
    steps.push_back(std::move(each));
  }
  return {{"length", path.links.size()},
          {"cost", path.cost},
          {"steps", steps},
          {"sentences", path.sentences}};
}

std::string path_line(const answer& found, const answered_path& path) {
  std::string line;
  for (std::size_t i = 0; i < path.concepts.size(); ++i) {
    if (i != 0) {
      const auto& type = found.links[path.links[i - 1]].type;
      line +=
        is_out(found, path, i - 1) ? " -" + type + "-> " : " <-" + type + "- ";
    }
    line += found.concepts[path.concepts[i]].name;
  }
  return line;
}

json concept_json(const answered_concept& shown) {
  return {
    {"concept", shown.name},      {"id", shown.id.to_string()},
    {"content", shown.content},   {"content_left_out", shown.content_left_out},
    {"strength", shown.strength}, {"confidence", shown.confidence}};
}

void show_found(context& ctx, const answer& found, bool scores) {
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (const auto& each : found.concepts) {
      all.push_back(concept_json(each));
      if (scores)
        all.back()["score"] = each.score;
    }
    print(ctx, {{"concepts", all}, {"bound_hit", bound_json(found.hit)}});
    return;
  }
  table rows{{{"concept", table::align::left},
              {scores ? "score" : "strength"},
              {"content", table::align::left}}};
  for (const auto& each : found.concepts)
    rows.add_row(
      {each.name,
       scores ? std::to_string(each.score) : human_number(each.strength),
       short_content(each)});
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

} // namespace

void show_paths(context& ctx, const answer& found, bool sentences) {
  if (ctx.output == output_format::json) {
    auto paths = json::array();
    for (const auto& path : found.paths)
      paths.push_back(path_json(found, path));
    print(ctx, {{"paths", paths},
                {"bound_hit", bound_json(found.hit)},
                {"visited", found.visited},
                {"took_ns", found.took_ns}});
    return;
  }
  for (const auto& path : found.paths) {
    if (sentences)
      for (const auto& sentence : path.sentences)
        ctx.out << sentence << '\n';
    else
      ctx.out << path_line(found, path) << '\n';
  }
  tell_bound(ctx, found.hit);
  if (!sentences)
    ctx.out << human_count(found.visited, "concept", "concepts")
            << " looked at in "
            << human_duration(std::chrono::nanoseconds{found.took_ns}) << '\n';
}

void show_neighbors(context& ctx, const answer& found) {
  // The concept itself is the first; each link has it at one end.
  auto is_out = [](const concept_service::answered_link& link) {
    return link.source == 0;
  };
  auto other = [&](const concept_service::answered_link& link) {
    return found.concepts[is_out(link) ? link.target : link.source];
  };
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (const auto& link : found.links)
      all.push_back({{"concept", other(link).name},
                     {"by", link.type},
                     {"direction", is_out(link) ? "out" : "in"},
                     {"weight", link.weight},
                     {"confidence", link.confidence}});
    print(ctx, {{"neighbors", all}, {"bound_hit", bound_json(found.hit)}});
    return;
  }
  table rows{{{"by", table::align::left},
              {"concept", table::align::left},
              {"weight"},
              {"content", table::align::left}}};
  for (const auto& link : found.links)
    rows.add_row({(is_out(link) ? "" : "from ") + link.type, other(link).name,
                  human_number(link.weight), short_content(other(link))});
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

void show_spread(context& ctx, const answer& found) {
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (const auto& each : found.concepts)
      all.push_back({{"concept", each.name}, {"activation", each.score}});
    print(ctx, {{"activated", all},
                {"bound_hit", bound_json(found.hit)},
                {"visited", found.visited}});
    return;
  }
  table rows{{{"concept", table::align::left},
              {"activation %"},
              {"content", table::align::left}}};
  for (const auto& each : found.concepts) {
    constexpr double percent = 100;
    rows.add_row(
      {each.name, human_number(each.score * percent), short_content(each)});
  }
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

void show_search(context& ctx, const answer& found) {
  show_found(ctx, found, false);
}

void show_nearest(context& ctx, const answer& found) {
  show_found(ctx, found, true);
}

void show_subgraph(context& ctx, const answer& found) {
  if (ctx.output == output_format::json) {
    auto concepts = json::array();
    for (const auto& each : found.concepts)
      concepts.push_back(concept_json(each));
    auto links = json::array();
    for (const auto& link : found.links)
      links.push_back({{"source", found.concepts[link.source].name},
                       {"by", link.type},
                       {"target", found.concepts[link.target].name},
                       {"weight", link.weight},
                       {"confidence", link.confidence}});
    print(ctx, {{"concepts", concepts},
                {"associations", links},
                {"bound_hit", bound_json(found.hit)}});
    return;
  }
  table rows{{{"concept", table::align::left},
              {"by", table::align::left},
              {"to", table::align::left},
              {"weight"}}};
  for (const auto& link : found.links)
    rows.add_row({found.concepts[link.source].name, link.type,
                  found.concepts[link.target].name, human_number(link.weight)});
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
  ctx.out << human_count(found.concepts.size(), "concept", "concepts") << ", "
          << human_count(found.links.size(), "association", "associations")
          << '\n';
}

void show_digest(context& ctx, const answer& found) {
  if (ctx.output == output_format::json)
    return print(ctx, {{"digest", found.digest},
                       {"sequence", found.sequence},
                       {"bound_hit", bound_json(found.hit)}});
  ctx.out << found.digest << '\n';
  tell_bound(ctx, found.hit);
}

void show_memory(context& ctx, const actors::concept_report& report) {
  if (ctx.output == output_format::json)
    return print(ctx, concepts_json(report));
  fact_list facts{ctx, "concept memory"};
  add_concepts(facts, report);
}

json concepts_json(const actors::concept_report& report) {
  auto holders = json::array();
  for (const auto& each : report.holders)
    holders.push_back({{"who", each.who}, {"sequence", each.sequence}});
  auto notices = json::array();
  for (const auto& each : report.notices)
    notices.push_back({{"state", each.state},
                       {"reason", each.reason},
                       {"advice", each.advice}});
  auto peers = json::array();
  for (const auto& each : report.peers)
    peers.push_back({{"replica_id", each.replica_id},
                     {"connected", each.connected},
                     {"changes_behind", each.changes_behind}});
  return {{"enabled", report.enabled},
          {"directory", report.directory},
          {"concepts", report.concepts},
          {"edges", report.edges},
          {"written", report.written},
          {"dropped", report.dropped},
          {"rejected", report.rejected},
          {"spilled", report.spilled},
          {"pending", report.pending},
          {"refused", report.refused},
          {"reconciliations", report.reconciliations},
          {"entries_processed", report.entries_processed},
          {"disk_flushes", report.disk_flushes},
          {"sequence", report.sequence},
          {"timestamp_us", report.timestamp_us},
          {"memory_bytes", report.memory_bytes},
          {"version_bytes", report.version_bytes},
          {"versions", report.versions},
          {"segments", report.segments},
          {"replayed_entries", report.replayed},
          {"cut_bytes", report.cut_bytes},
          {"lessons", report.lessons},
          {"questions", report.questions},
          {"waiting", report.waiting},
          {"replicated", report.replicated},
          {"unshown", report.unshown},
          {"peers", peers},
          {"holders", holders},
          {"health", notices}};
}

namespace {

std::string peers_text(const actors::concept_report& report) {
  if (report.peers.empty())
    return "no peers";
  std::string text;
  for (const auto& each : report.peers)
    text +=
      (text.empty() ? "node " : ", node ") + std::to_string(each.replica_id)
      + (each.connected ? "" : " (not connected)") + " "
      + (each.changes_behind == 0
           ? std::string{"has all of ours"}
           : "lacks " + human_count(each.changes_behind, "change", "changes"));
  return text;
}

} // namespace

void add_concepts(fact_list& facts, const actors::concept_report& report) {
  if (!report.enabled)
    return;
  facts.add("concepts",
            human_count(report.concepts) + ", "
              + human_count(report.edges, "association", "associations") + ", "
              + human_bytes(report.memory_bytes) + " in memory, "
              + human_count(report.segments, "segment file", "segment files"));
  facts.add("learnt", human_count(report.written, "entry", "entries") + ", "
                        + human_count(report.pending) + " pending, "
                        + human_count(report.refused) + " refused, "
                        + human_count(report.dropped) + " dropped, "
                        + human_count(report.spilled) + " spilled");
  facts.add("reconciled",
            human_count(report.reconciliations, "time", "times") + " up to "
              + human_count(report.sequence) + ", "
              + human_count(report.disk_flushes, "flush", "flushes"));
  if (report.replicated)
    facts.add("replicated", peers_text(report) + ", "
                              + human_count(report.unshown, "change", "changes")
                              + " not yet shown here");
  for (const auto& each : report.notices)
    facts.add("concept health", config::escape(each.state) + ": "
                                  + config::escape(each.reason) + ": "
                                  + each.advice);
}

} // namespace neuroplex::cli
