#include "storage/concept/query.hpp"

#include "storage/concept/attribute_list.hpp"
#include "storage/concept/walk.hpp"

#include <algorithm>
#include <unordered_map>

namespace neuroplex::concepts {

std::string_view to_string(bound_hit hit) noexcept {
  switch (hit) {
    case bound_hit::none:
      return "none";
    case bound_hit::depth:
      return "depth";
    case bound_hit::visited:
      return "visited";
    case bound_hit::time:
      return "time";
    case bound_hit::results:
      return "results";
  }
  return "?";
}

neighbors_result neighbors(const graph_version& in, concept_slot of,
                           const walk_options& options, std::size_t limit) {
  neighbors_result result;
  limit = std::min(limit, limits::max_results);
  walk_budget budget{options.bounds};
  follow(in.records[of], options, options.way,
         [&](const edge& by, bool is_out) {
           if (result.found.size() == limit) {
             result.hit = bound_hit::results;
             return false;
           }
           if (!budget.spend()) {
             result.hit = budget.hit();
             return false;
           }
           result.found.push_back({by, is_out});
           return true;
         });
  return result;
}

subgraph_result subgraph(const graph_version& in,
                         std::span<const concept_slot> seeds,
                         const walk_options& options, std::size_t limit) {
  subgraph_result result;
  limit = std::min(limit, limits::max_results);
  walk_budget budget{options.bounds};
  auto& marks = visit_marks::begin(in.records.size());
  auto add = [&](concept_slot slot, concept_slot from) {
    if (marks.side(slot) != 2)
      return true;
    if (result.concepts.size() == limit) {
      result.hit = bound_hit::results;
      return false;
    }
    marks.set(slot, 0, from);
    result.concepts.push_back(slot);
    return true;
  };
  for (auto seed : seeds)
    add(seed, visit_marks::none);
  auto max_depth = std::min(options.bounds.max_depth, limits::max_depth);
  std::size_t level_end = result.concepts.size();
  unsigned depth = 0;
  for (std::size_t i = 0; i < result.concepts.size(); ++i) {
    if (i == level_end) {
      ++depth;
      level_end = result.concepts.size();
    }
    if (depth == max_depth || !budget.spend())
      break;
    auto here = result.concepts[i];
    if (!follow(in.records[here], options, options.way,
                [&](const edge& by, bool) { return add(by.other, here); }))
      break;
  }
  for (auto slot : result.concepts)
    follow(in.records[slot], options, direction::out,
           [&](const edge& by, bool) {
             if (marks.side(by.other) != 2)
               result.links.push_back({slot, by});
             return result.links.size() < limits::max_results;
           });
  if (result.hit == bound_hit::none)
    result.hit = budget.hit();
  return result;
}

spread_result spread(const graph_version& in,
                     std::span<const concept_slot> seeds,
                     const spread_options& options) {
  spread_result result;
  walk_budget budget{options.walk.bounds};
  std::unordered_map<concept_slot, double> total;
  std::unordered_map<concept_slot, double> wave;
  for (auto seed : seeds)
    wave[seed] = 1;
  auto max_depth = std::min(options.walk.bounds.max_depth, limits::max_depth);
  for (unsigned depth = 0; depth < max_depth && !wave.empty(); ++depth) {
    std::unordered_map<concept_slot, double> next;
    for (auto [slot, activation] : wave) {
      if (activation < options.threshold)
        continue;
      if (!budget.spend())
        break;
      const auto& record = in.records[slot];
      double fan = 0;
      follow(record, options.walk, options.walk.way,
             [&fan](const edge& by, bool) {
               fan += double{by.weight} * by.confidence;
               return true;
             });
      if (fan <= 0)
        continue;
      auto share = activation * options.decay / fan;
      follow(record, options.walk, options.walk.way, [&](const edge& by, bool) {
        next[by.other] += share * by.weight * by.confidence;
        return true;
      });
    }
    for (auto [slot, activation] : next)
      total[slot] += activation;
    wave = std::move(next);
  }
  for (auto seed : seeds)
    total.erase(seed);
  for (auto [slot, activation] : total)
    result.found.push_back({slot, activation});
  auto stronger = [](const activated& a, const activated& b) {
    return a.activation != b.activation ? a.activation > b.activation
                                        : a.slot < b.slot;
  };
  auto kept =
    std::min({options.limit, limits::max_results, result.found.size()});
  std::partial_sort(result.found.begin(),
                    result.found.begin() + static_cast<std::ptrdiff_t>(kept),
                    result.found.end(), stronger);
  result.found.resize(kept);
  result.hit = budget.hit();
  result.visited = budget.spent();
  return result;
}

search_result search_prefix(const graph_version& in, std::string_view prefix,
                            std::size_t limit, const query_bounds& bounds) {
  search_result result;
  limit = std::min(limit, limits::max_results);
  walk_budget budget{bounds};
  for (concept_slot slot = 0; slot < in.records.size(); ++slot) {
    const auto& record = in.records[slot];
    if (!record.in_use())
      continue;
    if (!budget.spend())
      break;
    if (!record.content().starts_with(prefix))
      continue;
    if (result.found.size() == limit) {
      result.hit = bound_hit::results;
      return result;
    }
    result.found.push_back(slot);
  }
  result.hit = budget.hit();
  return result;
}

std::string display_name(const concept_record& record) {
  if (auto name = attribute_list::find(record.attributes(), "name");
      name && !name->empty())
    return std::string{*name};
  auto line = record.content().substr(0, record.content().find('\n'));
  return line.empty() ? record.id.to_string() : std::string{line};
}

std::vector<std::string> explain(const graph_version& in, const path& what,
                                 const association_types& types) {
  std::vector<std::string> sentences;
  for (std::size_t i = 1; i < what.steps.size(); ++i) {
    const auto& step = what.steps[i];
    auto before = display_name(in.records[what.steps[i - 1].slot]);
    auto after = display_name(in.records[step.slot]);
    if (!step.is_out)
      before.swap(after);
    before.append(" ").append(types.phrase(step.by.type));
    before.append(" ").append(after).append(".");
    sentences.push_back(std::move(before));
  }
  return sentences;
}

} // namespace neuroplex::concepts
