#include "cli/concept/picture.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace neuroplex::cli {

namespace {

using concept_service::answer;

/// An association from `first` to `second`, by their places in the answer.
using arrow = std::pair<std::uint32_t, std::uint32_t>;

/// Types of all associations between two concepts, and whether the path takes
/// one.
struct arrow_label {
  std::string types;
  bool on_path = false;
};

std::map<arrow, arrow_label> arrows_of(const answer& found) {
  std::map<arrow, arrow_label> arrows;
  std::set<std::pair<arrow, std::string_view>> seen;
  auto add = [&](const concept_service::answered_link& link) {
    arrow ends{link.source, link.target};
    auto& label = arrows[ends];
    if (seen.insert({ends, link.type}).second)
      label.types.append(label.types.empty() ? "" : ", ").append(link.type);
    return &label;
  };
  if (!found.paths.empty())
    for (auto place : found.paths.front().links)
      add(found.links[place])->on_path = true;
  for (const auto& link : found.links)
    add(link);
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

/// The first concept by itself; under those that follow each distance from it,
/// and under it what nothing joins to it.
std::map<std::uint32_t, place> places_by_distance(const answer& found) {
  std::map<std::uint32_t, place> places;
  if (found.concepts.empty())
    return places;
  std::multimap<std::uint32_t, std::uint32_t> joined;
  for (const auto& link : found.links) {
    joined.emplace(link.source, link.target);
    joined.emplace(link.target, link.source);
  }
  places[0] = {0, 0};
  std::map<int, int> rows;
  std::vector<std::uint32_t> reached{0};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    auto column = places[reached[i]].column + 1;
    auto [at, end] = joined.equal_range(reached[i]);
    for (; at != end; ++at)
      if (!places.contains(at->second)) {
        places[at->second] = {column, ++rows[column]};
        reached.push_back(at->second);
      }
  }
  for (std::uint32_t i = 0; i < found.concepts.size(); ++i)
    if (!places.contains(i))
      places[i] = {0, ++rows[0]};
  return places;
}

/// The path in row 0; each neighbour under the first concept of the path that
/// it is joined to.
std::map<std::uint32_t, place> places_of(const answer& found) {
  if (found.paths.empty())
    return places_by_distance(found);
  std::map<std::uint32_t, place> places;
  const auto& path = found.paths.front();
  for (std::size_t i = 0; i < path.concepts.size(); ++i)
    places[path.concepts[i]] = {static_cast<int>(i), 0};
  std::map<int, int> rows;
  for (const auto& link : found.links)
    for (auto [known, added] :
         {arrow{link.source, link.target}, arrow{link.target, link.source}}) {
      auto at = places.find(known);
      if (at == places.end() || at->second.row != 0 || places.contains(added))
        continue;
      auto column = at->second.column;
      places[added] = {column, ++rows[column]};
    }
  return places;
}

// Sizes of the drawing, in pixels.
constexpr int column_width = 260;
constexpr int row_height = 46;
constexpr int margin = 20;
constexpr int box_width = 170;
constexpr int box_height = 34;
constexpr int indent = 30; ///< of neighbours

int left_of(const place& at) {
  return margin + at.column * column_width + (at.row == 0 ? 0 : indent);
}

int middle_of(const place& at) {
  return margin + box_height / 2 + at.row * row_height;
}

std::string point(int x, int y) {
  return std::to_string(x) + ' ' + std::to_string(y);
}

/// The way of an arrow: within a column along a rail that hangs from the
/// concept of the path, else straight from side to side.
std::string way_of(const place& from, const place& to) {
  if (from.column == to.column && (from.row == 0 || to.row == 0)) {
    const auto& top = from.row == 0 ? from : to;
    const auto& hung = from.row == 0 ? to : from;
    auto rail = left_of(top) + indent / 2;
    auto start = middle_of(top) + box_height / 2;
    auto turn = 'L' + point(rail, middle_of(hung)) + 'L';
    auto upper = point(rail, start);
    auto lower = point(left_of(hung), middle_of(hung));
    return from.row == 0 ? 'M' + upper + turn + lower
                         : 'M' + lower + turn + upper;
  }
  if (from.column == to.column) {
    // A bow past what lies between.
    auto right = left_of(from) + box_width;
    return 'M' + point(right, middle_of(from)) + 'C'
           + point(right + indent, middle_of(from)) + ' '
           + point(right + indent, middle_of(to)) + ' '
           + point(right, middle_of(to));
  }
  auto forwards = to.column > from.column;
  return 'M'
         + point(left_of(from) + (forwards ? box_width : 0), middle_of(from))
         + 'L' + point(left_of(to) + (forwards ? 0 : box_width), middle_of(to));
}

} // namespace

std::string graphviz_picture(const answer& found) {
  std::string text = "digraph concepts {\n  rankdir=LR;\n"
                     "  node [shape=box, style=rounded];\n";
  std::set<std::uint32_t> on_path;
  if (!found.paths.empty())
    on_path.insert(found.paths.front().concepts.begin(),
                   found.paths.front().concepts.end());
  for (std::uint32_t i = 0; i < found.concepts.size(); ++i)
    text += "  c" + std::to_string(i) + " [label=\""
            + escaped_for_dot(found.concepts[i].name) + '"'
            + (on_path.contains(i) ? ", penwidth=2" : "") + "];\n";
  for (const auto& [ends, label] : arrows_of(found))
    text += "  c" + std::to_string(ends.first) + " -> c"
            + std::to_string(ends.second) + " [label=\""
            + escaped_for_dot(label.types) + '"'
            + (label.on_path ? ", penwidth=2" : ", color=gray") + "];\n";
  return text + "}\n";
}

std::string svg_picture(const answer& found) {
  auto places = places_of(found);
  auto arrows = arrows_of(found);
  int lowest = 0;
  int rightmost = 0;
  for (const auto& [slot, at] : places) {
    lowest = std::max(lowest, at.row);
    rightmost = std::max(rightmost, at.column);
  }
  auto width = 2 * margin + box_width + indent + column_width * rightmost;
  auto height = 2 * margin + box_height + lowest * row_height;
  std::string text =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width)
    + "\" height=\"" + std::to_string(height)
    + "\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n"
      "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
      "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
      "<path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  // What a neighbour is to the concept that it hangs from.
  std::map<std::uint32_t, std::string> captions;
  for (const auto& [ends, label] : arrows) {
    auto from = places.find(ends.first);
    auto to = places.find(ends.second);
    if (from == places.end() || to == places.end() || from == to)
      continue;
    auto same_column = from->second.column == to->second.column;
    auto hangs = [&](const place& top, const place& under) {
      return found.paths.empty() ? top.column + 1 == under.column
                                 : same_column && top.row == 0;
    };
    if (hangs(from->second, to->second))
      captions[ends.second] = label.types;
    else if (hangs(to->second, from->second))
      captions.try_emplace(ends.first, label.types + " of");
    text +=
      "<path d=\"" + way_of(from->second, to->second)
      + "\" fill=\"none\" stroke=\""
      + (label.on_path                        ? "black\" stroke-width=\"2"
         : same_column || found.paths.empty() ? "#777"
                                              : "#bbb\" stroke-dasharray=\"4 3")
      + "\" marker-end=\"url(#tip)\"><title>" + escaped_for_xml(label.types)
      + "</title></path>\n";
    if (label.on_path)
      text += "<text x=\""
              + std::to_string(
                (left_of(from->second) + left_of(to->second) + box_width) / 2)
              + "\" y=\"" + std::to_string(middle_of(from->second) - 6) + "\">"
              + escaped_for_xml(label.types) + "</text>\n";
  }
  for (const auto& [slot, at] : places) {
    auto caption = captions.find(slot);
    auto has_caption = at.row != 0 && caption != captions.end();
    auto middle = std::to_string(left_of(at) + box_width / 2);
    text += "<rect x=\"" + std::to_string(left_of(at)) + "\" y=\""
            + std::to_string(middle_of(at) - box_height / 2) + "\" width=\""
            + std::to_string(box_width) + "\" height=\""
            + std::to_string(box_height) + "\" rx=\"6\" fill=\""
            + (at.row == 0 ? "#ffe9a8" : "#eef2f7")
            + "\" stroke=\"#333\"/>\n<text x=\"" + middle + "\" y=\""
            + std::to_string(middle_of(at) + (has_caption ? -2 : 4)) + "\">"
            + escaped_for_xml(found.concepts[slot].name) + "</text>\n";
    if (has_caption)
      text += "<text x=\"" + middle + "\" y=\""
              + std::to_string(middle_of(at) + 12)
              + "\" font-size=\"10\" fill=\"#666\">"
              + escaped_for_xml(caption->second) + "</text>\n";
  }
  return text + "</svg>\n";
}

} // namespace neuroplex::cli
