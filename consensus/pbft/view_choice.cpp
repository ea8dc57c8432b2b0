#include "consensus/pbft/view_choice.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

struct count_of_claims {
  std::size_t for_it = 0; ///< pre-prepared it, in that view or later
  std::size_t not_against = 0;
};

const claim* find_prepared(const view_change& by, sequence_number sequence) {
  auto at = std::lower_bound(
    by.prepared.begin(), by.prepared.end(), sequence,
    [](const claim& one, sequence_number key) { return one.sequence < key; });
  return at != by.prepared.end() && at->sequence == sequence ? &*at : nullptr;
}

count_of_claims count(std::span<const view_change> proofs, const claim& what) {
  count_of_claims result;
  for (const auto& by : proofs) {
    const auto* prepared = find_prepared(by, what.sequence);
    if (prepared == nullptr || prepared->view < what.view
        || (prepared->view == what.view && prepared->of == what.of))
      ++result.not_against;
    if (std::any_of(by.pre_prepared.begin(), by.pre_prepared.end(),
                    [&](const claim& one) {
                      return one.sequence == what.sequence && one.of == what.of
                             && one.view >= what.view;
                    }))
      ++result.for_it;
  }
  return result;
}

/// All that is claimed to be prepared there, latest view first.
std::vector<claim> candidates(std::span<const view_change> proofs,
                              sequence_number sequence) {
  std::vector<claim> result;
  for (const auto& by : proofs)
    if (const auto* prepared = find_prepared(by, sequence))
      result.push_back(*prepared);
  std::sort(result.begin(), result.end(), [](const claim& x, const claim& y) {
    return x.view != y.view ? x.view > y.view : x.of > y.of;
  });
  return result;
}

} // namespace

std::optional<view_start> choose_start(std::span<const view_change> proofs,
                                       std::size_t quorum,
                                       std::size_t weak_quorum,
                                       const digest& null_request) {
  if (proofs.size() < quorum)
    return std::nullopt;
  view_start result;
  sequence_number last = 0;
  for (const auto& by : proofs) {
    if (by.stable.sequence > result.stable.sequence)
      result.stable = by.stable;
    if (!by.prepared.empty())
      last = std::max(last, by.prepared.back().sequence);
  }
  for (auto at = result.stable.sequence + 1; at <= last; ++at) {
    auto claims = candidates(proofs, at);
    auto good =
      std::find_if(claims.begin(), claims.end(), [&](const claim& one) {
        auto counted = count(proofs, one);
        return counted.not_against >= quorum && counted.for_it >= weak_quorum;
      });
    if (good != claims.end())
      result.chosen.push_back(*good);
    else if (proofs.size() - claims.size() >= quorum)
      result.chosen.push_back({at, 0, null_request});
    else
      return std::nullopt;
  }
  return result;
}

} // namespace neuroplex::pbft
