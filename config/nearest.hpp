// Finds the word a person probably meant.
#pragma once

#include <span>
#include <string_view>

namespace neuroplex::config {

/// The candidate with the smallest edit distance to `word` (insertions,
/// deletions, substitutions, swapped neighbours), or empty when none is near:
/// at most a third of the longer word may differ, and at least one edit is
/// always forgiven. Of equals the first wins.
[[nodiscard]] std::string_view
nearest(std::string_view word, std::span<const std::string_view> candidates);

} // namespace neuroplex::config
