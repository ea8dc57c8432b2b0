// What queries of concept memory found, as text and as JSON.
//
// Threads: one.
#pragma once

#include "actors/concept_service/question.hpp"
#include "actors/messages.hpp"
#include "cli/context.hpp"
#include "cli/facts.hpp"

#include <nlohmann/json_fwd.hpp>

namespace neuroplex::cli {

/// Paths, one after the other, each with what it costs; `sentences` says them.
void show_paths(context& ctx, const concept_service::answer& found,
                bool sentences);

void show_neighbors(context& ctx, const concept_service::answer& found);

/// Concepts with how strongly they came to mind.
void show_spread(context& ctx, const concept_service::answer& found);

/// Concepts with their content.
void show_search(context& ctx, const concept_service::answer& found);

/// The same with how near their vectors are.
void show_nearest(context& ctx, const concept_service::answer& found);

/// Associations among concepts, and how many concepts they are.
void show_subgraph(context& ctx, const concept_service::answer& found);

/// What a store or a node holds.
void show_digest(context& ctx, const concept_service::answer& found);
void show_memory(context& ctx, const actors::concept_report& report);

/// The figures of a concept memory.
[[nodiscard]] nlohmann::ordered_json
concepts_json(const actors::concept_report& report);

/// The same as lines; none when there is no memory.
void add_concepts(fact_list& facts, const actors::concept_report& report);

} // namespace neuroplex::cli
