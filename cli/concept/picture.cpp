#include "cli/concept/picture.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace neuroplex::cli {

namespace {

using concepts::association_type;
using concepts::concept_slot;
using concepts::edge;

/// An association from `first` to `second`.
using arrow = std::pair<concept_slot, concept_slot>;

/// Types of all associations between two concepts, and whether the path takes
/// one.
struct arrow_label {
  std::string types;
  bool on_path = false;
};

std::map<arrow, arrow_label>
arrows_of(const concepts::association_types& types, const concepts::path& path,
          const concepts::subgraph_result& around) {
  std::map<arrow, arrow_label> arrows;
  std::set<std::pair<arrow, association_type>> seen;
  auto add = [&](concept_slot from, concept_slot to, association_type type) {
    auto& label = arrows[{from, to}];
    if (seen.insert({{from, to}, type}).second)
      label.types.append(label.types.empty() ? "" : ", ")
        .append(types.name(type));
    return &label;
  };
  for (std::size_t i = 1; i < path.steps.size(); ++i) {
    const auto& step = path.steps[i];
    auto before = path.steps[i - 1].slot;
    auto from = step.is_out ? before : step.slot;
    auto to = step.is_out ? step.slot : before;
    add(from, to, step.by.type)->on_path = true;
  }
  for (const auto& link : around.links)
    add(link.source, link.by.other, link.by.type);
  return arrows;
}

std::string escaped_for_dot(std::string_view text) {
  std::string result;
  for (auto c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string escaped_for_xml(std::string_view text) {
  std::string result;
  for (auto c : text)
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        // Other control bytes may not stand in XML at all.
        result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  return result;
}

struct place {
  int column = 0;
  int row = 0;
};

/// The path in row 0; each neighbour over or under the first concept of the
/// path that it is joined to.
std::map<concept_slot, place> places_of(const concepts::path& path,
                                        const concepts::subgraph_result& around,
                                        int& highest) {
  std::map<concept_slot, place> places;
  for (std::size_t i = 0; i < path.steps.size(); ++i)
    places[path.steps[i].slot] = {static_cast<int>(i), 0};
  std::map<int, int> in_column;
  for (const auto& link : around.links)
    for (auto [known, added] : {arrow{link.source, link.by.other},
                                arrow{link.by.other, link.source}}) {
      auto found = places.find(known);
      if (found == places.end() || found->second.row != 0
          || places.contains(added))
        continue;
      auto count = in_column[found->second.column]++;
      auto row = count / 2 + 1;
      highest = std::max(highest, row);
      places[added] = {found->second.column, count % 2 == 0 ? -row : row};
    }
  return places;
}

} // namespace

std::string graphviz_picture(const concepts::graph_version& in,
                             const concepts::association_types& types,
                             const concepts::path& path,
                             const concepts::subgraph_result& around) {
  std::string text = "digraph concepts {\n  rankdir=LR;\n"
                     "  node [shape=box, style=rounded];\n";
  std::set<concept_slot> nodes{around.concepts.begin(), around.concepts.end()};
  std::set<concept_slot> on_path;
  for (const auto& step : path.steps)
    on_path.insert(step.slot);
  nodes.insert(on_path.begin(), on_path.end());
  for (auto slot : nodes)
    text += "  c" + std::to_string(slot) + " [label=\""
            + escaped_for_dot(concepts::display_name(in.records[slot])) + '"'
            + (on_path.contains(slot) ? ", penwidth=2" : "") + "];\n";
  for (const auto& [ends, label] : arrows_of(types, path, around))
    text += "  c" + std::to_string(ends.first) + " -> c"
            + std::to_string(ends.second) + " [label=\""
            + escaped_for_dot(label.types) + '"'
            + (label.on_path ? ", penwidth=2" : ", color=gray") + "];\n";
  return text + "}\n";
}

std::string svg_picture(const concepts::graph_version& in,
                        const concepts::association_types& types,
                        const concepts::path& path,
                        const concepts::subgraph_result& around) {
  constexpr int column_width = 240;
  constexpr int row_height = 60;
  constexpr int box_width = 150;
  constexpr int box_height = 28;
  int highest = 0;
  auto places = places_of(path, around, highest);
  auto x = [](const place& at) {
    return column_width / 2 + at.column * column_width;
  };
  auto y = [highest](const place& at) {
    return row_height / 2 + (at.row + highest) * row_height;
  };
  auto width = column_width * static_cast<int>(path.steps.size());
  auto height = row_height * (2 * highest + 1);
  std::string text =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width)
    + "\" height=\"" + std::to_string(height)
    + "\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n"
      "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
      "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
      "<path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (const auto& [ends, label] : arrows_of(types, path, around)) {
    auto from = places.find(ends.first);
    auto to = places.find(ends.second);
    if (from == places.end() || to == places.end() || from == to)
      continue;
    // Beside each other from side to side, else from edge to edge.
    auto right = (to->second.column > from->second.column ? 1 : -1);
    auto beside = to->second.column != from->second.column;
    auto down = (to->second.row > from->second.row ? 1 : -1);
    auto from_x = x(from->second) + (beside ? right * box_width / 2 : 0);
    auto to_x = x(to->second) - (beside ? right * box_width / 2 : 0);
    auto from_y = y(from->second) + (beside ? 0 : down * box_height / 2);
    auto to_y = y(to->second) - (beside ? 0 : down * box_height / 2);
    text += "<line x1=\"" + std::to_string(from_x) + "\" y1=\""
            + std::to_string(from_y) + "\" x2=\"" + std::to_string(to_x)
            + "\" y2=\"" + std::to_string(to_y)
            + (label.on_path ? "\" stroke=\"black\" stroke-width=\"2\""
                             : "\" stroke=\"#999\"")
            + " marker-end=\"url(#tip)\"><title>" + escaped_for_xml(label.types)
            + "</title></line>\n";
    if (label.on_path)
      text += "<text x=\"" + std::to_string((from_x + to_x) / 2) + "\" y=\""
              + std::to_string((from_y + to_y) / 2 - 6) + "\">"
              + escaped_for_xml(label.types) + "</text>\n";
  }
  for (const auto& [slot, at] : places) {
    text +=
      "<rect x=\"" + std::to_string(x(at) - box_width / 2) + "\" y=\""
      + std::to_string(y(at) - box_height / 2) + "\" width=\""
      + std::to_string(box_width) + "\" height=\"" + std::to_string(box_height)
      + "\" rx=\"6\" fill=\"" + (at.row == 0 ? "#ffe9a8" : "#eef2f7")
      + "\" stroke=\"#333\"/>\n<text x=\"" + std::to_string(x(at)) + "\" y=\""
      + std::to_string(y(at) + 4) + "\">"
      + escaped_for_xml(concepts::display_name(in.records[slot])) + "</text>\n";
  }
  return text + "</svg>\n";
}

} // namespace neuroplex::cli
