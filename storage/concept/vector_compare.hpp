// Comparing vectors: the inner loop of every search by vector, and what keeps
// the best.
//
// Ownership and threads: `best_matches` is for one thread, and borrows what is
// wanted. The rest are plain functions.
#pragma once

#include "storage/concept/query.hpp"

#include <span>
#include <vector>

namespace neuroplex::concepts {

/// What a comparison of two vectors takes.
struct products {
  float dot = 0;  ///< a b
  float norm = 0; ///< b b
};

/// Products of a vector with one as long.
[[nodiscard]] products compare(std::span<const float> a,
                               const float* b) noexcept;

/// The best of all that were considered.
class best_matches {
public:
  best_matches(std::span<const float> wanted, vector_metric metric,
               std::size_t count);

  /// From here on a concept may come again, and is kept once.
  void expect_repeats() noexcept {
    may_repeat_ = true;
  }

  /// Compares a vector as long as the wanted one exactly.
  void consider(concept_slot slot, const float* vector);

  /// The best, best first.
  [[nodiscard]] std::vector<vector_match> take();

private:
  [[nodiscard]] bool is_better(const vector_match& a,
                               const vector_match& b) const noexcept;
  [[nodiscard]] bool holds(concept_slot slot) const noexcept;

  std::span<const float> wanted_;
  vector_metric metric_;
  std::size_t count_;
  float wanted_norm_;
  bool may_repeat_ = false;
  std::vector<vector_match> kept_; ///< a heap, the worst in front
};

} // namespace neuroplex::concepts
