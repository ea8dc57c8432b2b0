#include "storage/concept/vector_compare.hpp"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace neuroplex::concepts {

namespace {

using vector_products = products (*)(const float* a, const float* b,
                                     std::size_t size);

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

vector_products best_products() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return compare_avx2;
#endif
  return compare_plain;
}

} // namespace

products compare(std::span<const float> a, const float* b) noexcept {
  static const auto run = best_products();
  return run(a.data(), b, a.size());
}

best_matches::best_matches(std::span<const float> wanted, vector_metric metric,
                           std::size_t count)
  : wanted_{wanted}, metric_{metric}, count_{count},
    wanted_norm_{compare(wanted, wanted.data()).norm} {
}

bool best_matches::is_better(const vector_match& a,
                             const vector_match& b) const noexcept {
  if (a.score != b.score)
    return metric_ == vector_metric::cosine ? a.score > b.score
                                            : a.score < b.score;
  return a.slot < b.slot;
}

void best_matches::consider(concept_slot slot, const float* vector) {
  auto found = compare(wanted_, vector);
  float score = 0;
  if (metric_ == vector_metric::l2)
    score =
      std::sqrt(std::max(0.0F, wanted_norm_ + found.norm - 2 * found.dot));
  else if (auto length = std::sqrt(wanted_norm_ * found.norm); length > 0)
    score = found.dot / length;
  vector_match match{slot, score};
  // The worst of those kept is at the front.
  auto better = [this](const vector_match& a, const vector_match& b) {
    return is_better(a, b);
  };
  if (kept_.size() == count_) {
    if (count_ == 0 || !better(match, kept_.front()))
      return;
    if (holds(slot))
      return;
    std::pop_heap(kept_.begin(), kept_.end(), better);
    kept_.pop_back();
  } else if (holds(slot)) {
    return;
  }
  kept_.push_back(match);
  std::push_heap(kept_.begin(), kept_.end(), better);
}

bool best_matches::holds(concept_slot slot) const noexcept {
  return may_repeat_
         && std::any_of(
           kept_.begin(), kept_.end(),
           [slot](const vector_match& each) { return each.slot == slot; });
}

std::vector<vector_match> best_matches::take() {
  std::sort_heap(kept_.begin(), kept_.end(),
                 [this](const vector_match& a, const vector_match& b) {
                   return is_better(a, b);
                 });
  return std::move(kept_);
}

} // namespace neuroplex::concepts
