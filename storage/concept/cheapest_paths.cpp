#include "storage/concept/walk.hpp"

#include <algorithm>
#include <cmath>
#include <queue>
#include <set>
#include <unordered_map>

namespace neuroplex::concepts {

namespace {

double cost_of(const edge& by, path_cost cost) {
  constexpr double least = 1e-9;
  switch (cost) {
    case path_cost::hops:
      return 1;
    case path_cost::weight:
      return by.weight;
    case path_cost::strength:
      break;
  }
  auto share = std::clamp(double{by.weight} * by.confidence, least, 1.0);
  return -std::log(share);
}

/// An association by both of its ends.
struct banned_edge {
  concept_slot from;
  std::uint64_t key;
  bool is_out;

  friend auto operator<=>(const banned_edge&, const banned_edge&) = default;
};

class path_finder {
public:
  path_finder(const graph_version& in, path_cost cost,
              const walk_options& options)
    : graph_{in}, options_{options}, cost_{cost}, budget_{options.bounds} {
  }

  /// Dijkstra's way from `from` to `to`, without some concepts and without some
  /// associations of the first one, in at most `hops`.
  path cheapest(concept_slot from, concept_slot to, unsigned hops,
                const std::set<concept_slot>& without,
                const std::set<banned_edge>& without_edges) {
    reached_.clear();
    std::priority_queue<waiting, std::vector<waiting>, std::greater<>> queue;
    // A concept may be come to in few hops at a high cost and the other way
    // round, and both may matter: a place is a concept at a depth.
    std::vector<place> places{{from, 0, no_place, {}, true}};
    queue.push({0, 0});
    while (!queue.empty()) {
      auto [cost, index] = queue.top();
      queue.pop();
      auto here = places[index];
      if (here.slot == to)
        return path_to(places, index, cost);
      // What comes later costs no less, so it must be nearer to be of use.
      auto [known, fresh] = reached_.try_emplace(here.slot, here.hops);
      if (!fresh && known->second <= here.hops)
        continue;
      known->second = here.hops;
      if (!budget_.spend())
        return {};
      if (here.hops == hops) {
        cut_by_depth_ = true;
        continue;
      }
      follow(graph_.records[here.slot], options_, options_.way,
             [&, at = index, base = cost](const edge& by, bool is_out) {
               if (without.contains(by.other)
                   || (here.slot == from
                       && without_edges.contains({from, by.key(), is_out})))
                 return true;
               queue.push({base + cost_of(by, cost_), places.size()});
               places.push_back({by.other, here.hops + 1, at, by, is_out});
               return true;
             });
    }
    return {};
  }

  [[nodiscard]] double cost_of_step(const path_step& step) const {
    return cost_of(step.by, cost_);
  }

  [[nodiscard]] bound_hit hit() const noexcept {
    if (budget_.hit() != bound_hit::none)
      return budget_.hit();
    return cut_by_depth_ ? bound_hit::depth : bound_hit::none;
  }
  [[nodiscard]] std::uint64_t visited() const noexcept {
    return budget_.spent();
  }

private:
  static constexpr std::size_t no_place = ~std::size_t{0};

  struct waiting {
    double cost;
    std::size_t index;

    friend auto operator<=>(const waiting&, const waiting&) = default;
  };

  struct place {
    concept_slot slot;
    unsigned hops;
    std::size_t parent;
    edge by;
    bool is_out;
  };

  static path path_to(const std::vector<place>& places, std::size_t index,
                      double cost) {
    path result;
    result.cost = cost;
    for (; index != no_place; index = places[index].parent)
      result.steps.push_back(
        {places[index].slot, places[index].by, places[index].is_out});
    std::reverse(result.steps.begin(), result.steps.end());
    return result;
  }

  const graph_version& graph_;
  const walk_options& options_;
  path_cost cost_;
  walk_budget budget_;
  bool cut_by_depth_ = false;
  std::unordered_map<concept_slot, unsigned> reached_;
};

bool same_steps(const path& a, const path& b, std::size_t count) {
  if (a.steps.size() < count || b.steps.size() < count)
    return false;
  for (std::size_t i = 0; i < count; ++i)
    if (a.steps[i].slot != b.steps[i].slot
        || a.steps[i].is_out != b.steps[i].is_out
        || a.steps[i].by.key() != b.steps[i].by.key())
      return false;
  return true;
}

bool same(const path& a, const path& b) {
  return a.steps.size() == b.steps.size() && same_steps(a, b, a.steps.size());
}

/// The cheapest path that leaves `before` at its step `at` for another
/// association than all of `known` take there.
path deviation(path_finder& finder, const path& before, std::size_t at,
               const std::vector<path>& known, concept_slot to,
               unsigned max_depth) {
  std::set<concept_slot> without;
  for (std::size_t i = 0; i < at; ++i)
    without.insert(before.steps[i].slot);
  auto from = before.steps[at].slot;
  std::set<banned_edge> without_edges;
  for (const auto& each : known)
    if (same_steps(each, before, at + 1) && each.steps.size() > at + 1)
      without_edges.insert(
        {from, each.steps[at + 1].by.key(), each.steps[at + 1].is_out});
  auto rest = finder.cheapest(from, to, max_depth - static_cast<unsigned>(at),
                              without, without_edges);
  if (rest.steps.empty())
    return {};
  path whole;
  whole.steps.assign(before.steps.begin(),
                     before.steps.begin() + static_cast<std::ptrdiff_t>(at));
  whole.steps.push_back(before.steps[at]);
  whole.steps.insert(whole.steps.end(), rest.steps.begin() + 1,
                     rest.steps.end());
  whole.cost = rest.cost;
  for (std::size_t i = 1; i <= at; ++i)
    whole.cost += finder.cost_of_step(whole.steps[i]);
  return whole;
}

} // namespace

paths_result cheapest_paths(const graph_version& in, concept_slot from,
                            concept_slot to, path_cost cost, std::size_t count,
                            const walk_options& options) {
  path_finder finder{in, cost, options};
  auto max_depth = std::min(options.bounds.max_depth, limits::max_depth);
  paths_result result;
  std::vector<path> candidates;
  auto first = finder.cheapest(from, to, max_depth, {}, {});
  if (!first.steps.empty())
    candidates.push_back(std::move(first));
  count = std::min(count, limits::max_paths);
  while (!candidates.empty() && result.paths.size() < count) {
    auto best = std::min_element(
      candidates.begin(), candidates.end(), [](const path& a, const path& b) {
        return a.cost != b.cost ? a.cost < b.cost : a.length() < b.length();
      });
    result.paths.push_back(std::move(*best));
    candidates.erase(best);
    if (result.paths.size() == count)
      break;
    const auto before = result.paths.back();
    for (std::size_t at = 0; at + 1 < before.steps.size(); ++at) {
      auto found = deviation(finder, before, at, result.paths, to, max_depth);
      auto is_known = [&found](const path& each) { return same(each, found); };
      if (!found.steps.empty()
          && std::none_of(candidates.begin(), candidates.end(), is_known))
        candidates.push_back(std::move(found));
    }
  }
  result.visited = finder.visited();
  // A depth that cut something off matters only if something is missing.
  if (result.paths.size() < count || finder.hit() != bound_hit::depth)
    result.hit = finder.hit();
  return result;
}

} // namespace neuroplex::concepts
