// What queries of concept memory found, as text and as JSON.
//
// Threads: one.
#pragma once

#include "cli/context.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <chrono>
#include <vector>

namespace neuroplex::cli {

/// A version and the names of its types.
struct shown_graph {
  const concepts::graph_version& version;
  const concepts::association_types& types;

  [[nodiscard]] const concepts::concept_record&
  record(concepts::concept_slot slot) const {
    return version.records[slot];
  }
};

/// Paths, one after the other, each with what it costs; `sentences` says them.
void show_paths(context& ctx, const shown_graph& graph,
                const concepts::paths_result& found,
                std::chrono::nanoseconds took, bool sentences);

void show_neighbors(context& ctx, const shown_graph& graph,
                    const concepts::neighbors_result& found);

void show_spread(context& ctx, const shown_graph& graph,
                 const concepts::spread_result& found);

/// Concepts with their content.
void show_search(context& ctx, const shown_graph& graph,
                 const concepts::search_result& found);

void show_memory(context& ctx, const concepts::memory_stats& stats,
                 const concepts::concept_files::found& met);

} // namespace neuroplex::cli
