#include "storage/concept/vector_compare.hpp"
#include "storage/concept/walk.hpp"

#include <algorithm>

namespace neuroplex::concepts {

vector_result search_vector(const graph_version& in,
                            std::span<const float> wanted, vector_metric metric,
                            std::size_t count, const query_bounds& bounds) {
  vector_result result;
  count = std::min(count, limits::max_results);
  if (wanted.empty() || wanted.size() != in.dimensions || count == 0)
    return result;
  best_matches best{wanted, metric, count};
  walk_budget budget{bounds};
  for (concept_slot slot = 0; slot < in.records.size(); ++slot) {
    const auto& record = in.records[slot];
    if (!record.in_use() || record.body->dimensions != wanted.size())
      continue;
    if (!budget.spend())
      break;
    best.consider(slot, record.vector().data());
  }
  result.found = best.take();
  result.hit = budget.hit();
  return result;
}

} // namespace neuroplex::concepts
