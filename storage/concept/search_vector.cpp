#include "storage/concept/walk.hpp"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace neuroplex::concepts {

namespace {

/// What a comparison of two vectors takes.
struct products {
  float dot = 0;  ///< a b
  float norm = 0; ///< b b
};

using compare = products (*)(const float* a, const float* b, std::size_t size);

products compare_plain(const float* a, const float* b, std::size_t size) {
  constexpr std::size_t lanes = 8; // so that the compiler may use registers
  float dot[lanes] = {};
  float norm[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      dot[lane] += a[i + lane] * b[i + lane];
      norm[lane] += b[i + lane] * b[i + lane];
    }
  products result;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    result.dot += dot[lane];
    result.norm += norm[lane];
  }
  for (; i < size; ++i) {
    result.dot += a[i] * b[i];
    result.norm += b[i] * b[i];
  }
  return result;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) products
compare_avx2(const float* a, const float* b, std::size_t size) {
  constexpr std::size_t lanes = 8;
  auto dot = _mm256_setzero_ps();
  auto norm = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    auto right = _mm256_loadu_ps(b + i);
    dot = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), right, dot);
    norm = _mm256_fmadd_ps(right, right, norm);
  }
  alignas(32) float dots[lanes];
  alignas(32) float norms[lanes];
  _mm256_store_ps(dots, dot);
  _mm256_store_ps(norms, norm);
  products result;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    result.dot += dots[lane];
    result.norm += norms[lane];
  }
  for (; i < size; ++i) {
    result.dot += a[i] * b[i];
    result.norm += b[i] * b[i];
  }
  return result;
}
#endif

compare best_compare() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return compare_avx2;
#endif
  return compare_plain;
}

} // namespace

vector_result search_vector(const graph_version& in,
                            std::span<const float> wanted, vector_metric metric,
                            std::size_t count, const query_bounds& bounds) {
  vector_result result;
  count = std::min(count, limits::max_results);
  if (wanted.empty() || wanted.size() != in.dimensions || count == 0)
    return result;
  static const auto run = best_compare();
  auto own_norm =
    compare_plain(wanted.data(), wanted.data(), wanted.size()).norm;
  // The worst of those kept is at the front.
  auto better = [metric](const vector_match& a, const vector_match& b) {
    if (a.score != b.score)
      return metric == vector_metric::cosine ? a.score > b.score
                                             : a.score < b.score;
    return a.slot < b.slot;
  };
  walk_budget budget{bounds};
  for (concept_slot slot = 0; slot < in.records.size(); ++slot) {
    const auto& record = in.records[slot];
    if (!record.in_use() || record.body->dimensions != wanted.size())
      continue;
    if (!budget.spend())
      break;
    auto found = run(wanted.data(), record.vector().data(), wanted.size());
    float score = 0;
    if (metric == vector_metric::l2)
      score = std::sqrt(std::max(0.0F, own_norm + found.norm - 2 * found.dot));
    else if (auto length = std::sqrt(own_norm * found.norm); length > 0)
      score = found.dot / length;
    vector_match match{slot, score};
    if (result.found.size() < count) {
      result.found.push_back(match);
      std::push_heap(result.found.begin(), result.found.end(), better);
    } else if (better(match, result.found.front())) {
      std::pop_heap(result.found.begin(), result.found.end(), better);
      result.found.back() = match;
      std::push_heap(result.found.begin(), result.found.end(), better);
    }
  }
  std::sort_heap(result.found.begin(), result.found.end(), better);
  result.hit = budget.hit();
  return result;
}

} // namespace neuroplex::concepts
