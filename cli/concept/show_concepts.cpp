#include "cli/concept/show_concepts.hpp"

#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"

#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using concepts::bound_hit;
using concepts::display_name;

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

std::string short_content(const concepts::concept_record& record) {
  auto text = std::string{record.content().substr(0, shown_content_bytes)};
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20)
      c = ' ';
  // Not in the middle of a character of UTF-8.
  if (text.size() < record.content().size()) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U))
      text.pop_back();
    text += "...";
  }
  return text;
}

json path_json(const shown_graph& graph, const concepts::path& path) {
  auto steps = json::array();
  for (std::size_t i = 0; i < path.steps.size(); ++i) {
    const auto& step = path.steps[i];
    json each{{"concept", display_name(graph.record(step.slot))},
              {"id", graph.record(step.slot).id.to_string()}};
    if (i != 0) {
      each["by"] = graph.types.name(step.by.type);
      each["direction"] = step.is_out ? "out" : "in";
      each["weight"] = step.by.weight;
      each["confidence"] = step.by.confidence;
    }
    steps.push_back(std::move(each));
  }
  return {{"length", path.length()},
          {"cost", path.cost},
          {"steps", steps},
          {"sentences", explain(graph.version, path, graph.types)}};
}

std::string path_line(const shown_graph& graph, const concepts::path& path) {
  std::string line;
  for (std::size_t i = 0; i < path.steps.size(); ++i) {
    const auto& step = path.steps[i];
    if (i != 0) {
      auto type = std::string{graph.types.name(step.by.type)};
      line += step.is_out ? " -" + type + "-> " : " <-" + type + "- ";
    }
    line += display_name(graph.record(step.slot));
  }
  return line;
}

} // namespace

void show_paths(context& ctx, const shown_graph& graph,
                const concepts::paths_result& found,
                std::chrono::nanoseconds took, bool sentences) {
  if (ctx.output == output_format::json) {
    auto paths = json::array();
    for (const auto& path : found.paths)
      paths.push_back(path_json(graph, path));
    print(ctx, {{"paths", paths},
                {"bound_hit", bound_json(found.hit)},
                {"visited", found.visited},
                {"took_ns", took.count()}});
    return;
  }
  for (const auto& path : found.paths) {
    if (sentences)
      for (const auto& sentence : explain(graph.version, path, graph.types))
        ctx.out << sentence << '\n';
    else
      ctx.out << path_line(graph, path) << '\n';
  }
  tell_bound(ctx, found.hit);
  if (!sentences)
    ctx.out << human_count(found.visited, "concept", "concepts")
            << " looked at in " << human_duration(took) << '\n';
}

void show_neighbors(context& ctx, const shown_graph& graph,
                    const concepts::neighbors_result& found) {
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (const auto& each : found.found)
      all.push_back({{"concept", display_name(graph.record(each.by.other))},
                     {"by", graph.types.name(each.by.type)},
                     {"direction", each.is_out ? "out" : "in"},
                     {"weight", each.by.weight},
                     {"confidence", each.by.confidence}});
    print(ctx, {{"neighbors", all}, {"bound_hit", bound_json(found.hit)}});
    return;
  }
  table rows{{{"by", table::align::left},
              {"concept", table::align::left},
              {"weight"},
              {"content", table::align::left}}};
  for (const auto& each : found.found) {
    const auto& other = graph.record(each.by.other);
    rows.add_row({(each.is_out ? "" : "from ")
                    + std::string{graph.types.name(each.by.type)},
                  display_name(other), human_number(each.by.weight),
                  short_content(other)});
  }
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

void show_spread(context& ctx, const shown_graph& graph,
                 const concepts::spread_result& found) {
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (const auto& each : found.found)
      all.push_back({{"concept", display_name(graph.record(each.slot))},
                     {"activation", each.activation}});
    print(ctx, {{"activated", all},
                {"bound_hit", bound_json(found.hit)},
                {"visited", found.visited}});
    return;
  }
  table rows{{{"concept", table::align::left},
              {"activation %"},
              {"content", table::align::left}}};
  for (const auto& each : found.found) {
    constexpr double percent = 100;
    const auto& other = graph.record(each.slot);
    rows.add_row({display_name(other), human_number(each.activation * percent),
                  short_content(other)});
  }
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

void show_search(context& ctx, const shown_graph& graph,
                 const concepts::search_result& found) {
  if (ctx.output == output_format::json) {
    auto all = json::array();
    for (auto slot : found.found)
      all.push_back({{"concept", display_name(graph.record(slot))},
                     {"id", graph.record(slot).id.to_string()},
                     {"content", graph.record(slot).content()}});
    print(ctx, {{"concepts", all}, {"bound_hit", bound_json(found.hit)}});
    return;
  }
  table rows{
    {{"concept", table::align::left}, {"content", table::align::left}}};
  for (auto slot : found.found)
    rows.add_row(
      {display_name(graph.record(slot)), short_content(graph.record(slot))});
  rows.print(ctx.out, ctx.terminal, 0);
  tell_bound(ctx, found.hit);
}

void show_memory(context& ctx, const concepts::memory_stats& stats,
                 const concepts::concept_files::found& met) {
  if (ctx.output == output_format::json) {
    print(ctx, {{"concepts", stats.concepts},
                {"edges", stats.edges},
                {"sequence", stats.sequence},
                {"memory_bytes", stats.memory_bytes},
                {"segments", met.segments},
                {"replayed_entries", met.replayed},
                {"cut_bytes", met.cut_bytes}});
    return;
  }
  ctx.out << human_count(stats.concepts) << " concepts, "
          << human_count(stats.edges) << " associations, "
          << human_bytes(stats.memory_bytes) << " in memory, "
          << human_count(met.segments, "segment file", "segment files") << '\n';
}

} // namespace neuroplex::cli
