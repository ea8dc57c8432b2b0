// Questions about one version of the graph.
//
// Purpose: what an agent asks of what it learnt: what is this, what is near it,
// how does one come from here to there, what comes to mind.
//
// Ownership and threads: any thread that holds the snapshot. Results hold slots
// of that version and pointers into it; they end with the snapshot. Each thread
// keeps a work area of eight bytes a concept for searches.
//
// Invariants: no query changes anything. Each is bounded, and tells which bound
// cut it short, so that "not found" is never said of what was not looked at.
//
// Failure behaviour: none but `bound_hit`; a slot must be one of the version.
#pragma once

#include "storage/concept/association_types.hpp"
#include "storage/concept/graph_version.hpp"
#include "storage/concept/limits.hpp"

#include <bitset>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace neuroplex::concepts {

/// A concept by its id, or null.
[[nodiscard]] inline const concept_record*
find_concept(const graph_version& in, const concept_id& id) noexcept {
  auto slot = in.find(id);
  return slot ? &in.records[*slot] : nullptr;
}

struct query_bounds {
  unsigned max_depth = 6; ///< associations in a row
  std::size_t max_visited = 1'000'000;
  std::chrono::nanoseconds max_time = std::chrono::seconds{1};
};

/// What cut a query short.
enum class bound_hit : std::uint8_t { none, depth, visited, time, results };

[[nodiscard]] std::string_view to_string(bound_hit hit) noexcept;

/// Which way associations are followed.
enum class direction : std::uint8_t { out, in, any };

/// Which types are followed; all, unless some are named.
class type_filter {
public:
  void add(association_type type) noexcept {
    some_ = true;
    wanted_.set(type);
  }
  [[nodiscard]] bool takes(association_type type) const noexcept {
    return !some_ || wanted_[type];
  }

private:
  bool some_ = false;
  std::bitset<limits::max_association_types> wanted_;
};

/// Which associations a query follows, and how far it may go.
struct walk_options {
  type_filter types{};
  direction way = direction::out;
  float min_weight = 0;
  query_bounds bounds{};
};

struct neighbor {
  edge by;     ///< `by.other` is the neighbor
  bool is_out; ///< whether the association leads there
};

struct neighbors_result {
  std::vector<neighbor> found;
  bound_hit hit = bound_hit::none;
};

/// What is associated with a concept, in the order of types; at most `limit`.
[[nodiscard]] neighbors_result neighbors(const graph_version& in,
                                         concept_slot of,
                                         const walk_options& options,
                                         std::size_t limit);

/// A step of a path: an association and where it leads. The first step of a
/// path has no association.
struct path_step {
  concept_slot slot = 0;
  edge by{};          ///< `by.other` is one of the ends, as the lists have it
  bool is_out = true; ///< whether it was followed in its direction
};

struct path {
  std::vector<path_step> steps; ///< empty: there is none
  double cost = 0;

  [[nodiscard]] std::size_t length() const noexcept {
    return steps.empty() ? 0 : steps.size() - 1;
  }
};

struct path_result {
  path best;
  bound_hit hit = bound_hit::none;
  std::uint64_t visited = 0;
};

/// A path of the fewest associations, by search from both ends at once.
[[nodiscard]] path_result find_path(const graph_version& in, concept_slot from,
                                    concept_slot to,
                                    const walk_options& options);

/// What an association costs.
enum class path_cost : std::uint8_t {
  hops,     ///< 1
  weight,   ///< its weight
  strength, ///< -ln(weight x confidence), both at most 1: the surest path
};

struct paths_result {
  std::vector<path> paths; ///< cheapest first
  bound_hit hit = bound_hit::none;
  std::uint64_t visited = 0;
};

/// The `count` cheapest paths without a loop (Dijkstra 1959; Yen 1971, "Finding
/// the K shortest loopless paths in a network"). The depth does not bound the
/// length of the cheapest, it bounds what is looked at: longer ones are left
/// out.
[[nodiscard]] paths_result cheapest_paths(const graph_version& in,
                                          concept_slot from, concept_slot to,
                                          path_cost cost, std::size_t count,
                                          const walk_options& options);

struct subgraph_result {
  std::vector<concept_slot> concepts; ///< nearest first
  struct link {
    concept_slot source;
    edge by; ///< to `by.other`
  };
  std::vector<link> links; ///< among them
  bound_hit hit = bound_hit::none;
};

/// All within `options.bounds.max_depth` of the seeds, at most `limit`
/// concepts, and all associations among them.
[[nodiscard]] subgraph_result subgraph(const graph_version& in,
                                       std::span<const concept_slot> seeds,
                                       const walk_options& options,
                                       std::size_t limit);

struct activated {
  concept_slot slot = 0;
  double activation = 0;
};

struct spread_options {
  walk_options walk{};
  double decay = 0.85;      ///< what is left after an association; below 1
  double threshold = 0.001; ///< less is not passed on
  std::size_t limit = 20;
};

struct spread_result {
  std::vector<activated> found; ///< strongest first, seeds left out
  bound_hit hit = bound_hit::none;
  std::uint64_t visited = 0;
};

/// What comes to mind: activation spreads from the seeds, divided among the
/// associations of a concept by weight times confidence (the fan effect), with
/// a loss at each (Collins and Loftus 1975, "A spreading-activation theory of
/// semantic processing"; Anderson 1983).
[[nodiscard]] spread_result spread(const graph_version& in,
                                   std::span<const concept_slot> seeds,
                                   const spread_options& options);

struct search_result {
  std::vector<concept_slot> found;
  bound_hit hit = bound_hit::none;
};

/// Concepts whose content begins with `prefix`, in the order they were learnt.
/// Looks at every concept.
[[nodiscard]] search_result search_prefix(const graph_version& in,
                                          std::string_view prefix,
                                          std::size_t limit,
                                          const query_bounds& bounds);

enum class vector_metric : std::uint8_t { cosine, l2 };

struct vector_match {
  concept_slot slot = 0;
  float score = 0; ///< cosine: 1 is the same; l2: distance, 0 is the same
};

struct vector_result {
  std::vector<vector_match> found; ///< best first
  bound_hit hit = bound_hit::none;
};

/// The `count` concepts whose vectors are nearest to `wanted`, exactly: all are
/// compared. Nothing when the length is not that of the graph's vectors.
[[nodiscard]] vector_result search_vector(const graph_version& in,
                                          std::span<const float> wanted,
                                          vector_metric metric,
                                          std::size_t count,
                                          const query_bounds& bounds);

/// What people call a concept: its attribute "name", else the first line of its
/// content, else its id.
[[nodiscard]] std::string display_name(const concept_record& record);

/// A path as sentences, one for each association: "dog is a kind of canine."
[[nodiscard]] std::vector<std::string> explain(const graph_version& in,
                                               const path& what,
                                               const association_types& types);

} // namespace neuroplex::concepts
