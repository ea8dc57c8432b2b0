// Pictures of a few concepts and what joins them.
//
// Threads: plain functions.
#pragma once

#include "actors/concept_service/question.hpp"

#include <string>

namespace neuroplex::cli {

/// The text of a Graphviz file: the first path of the answer from left to
/// right, drawn bold, and what else is associated with its concepts. Without a
/// path all concepts and associations of the answer.
[[nodiscard]] std::string
graphviz_picture(const concept_service::answer& found);

/// The same as an SVG of our own: the path on top, under each of its concepts
/// the neighbours that were reached from it, and what they are to it. Without a
/// path a column for each distance from the first concept.
[[nodiscard]] std::string svg_picture(const concept_service::answer& found);

} // namespace neuroplex::cli
