// Pictures of a few concepts and what joins them.
//
// Threads: plain functions.
#pragma once

#include "actors/concept_service/question.hpp"

#include <string>

namespace neuroplex::cli {

/// The text of a Graphviz file: the first path of the answer from left to
/// right, drawn bold, and what else is associated with its concepts.
[[nodiscard]] std::string
graphviz_picture(const concept_service::answer& found);

/// The same as an SVG of our own: the path on top, under each of its concepts
/// the neighbours that were reached from it, and what they are to it.
[[nodiscard]] std::string svg_picture(const concept_service::answer& found);

} // namespace neuroplex::cli
