// Pictures of a few concepts and what joins them.
//
// Threads: plain functions.
#pragma once

#include "storage/concept/query.hpp"

#include <span>
#include <string>

namespace neuroplex::cli {

/// The text of a Graphviz file: the path from left to right, drawn bold, and
/// what else is associated with its concepts.
[[nodiscard]] std::string graphviz_picture(
  const concepts::graph_version& in, const concepts::association_types& types,
  const concepts::path& path, const concepts::subgraph_result& around);

/// The same as an SVG of our own: the path on top, under each of its concepts
/// the neighbours that were reached from it, and what they are to it.
[[nodiscard]] std::string svg_picture(const concepts::graph_version& in,
                                      const concepts::association_types& types,
                                      const concepts::path& path,
                                      const concepts::subgraph_result& around);

} // namespace neuroplex::cli
