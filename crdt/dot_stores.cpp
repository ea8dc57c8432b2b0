#include "crdt/dot_stores.hpp"

#include <iterator>

namespace neuroplex::crdt {

void dot_set::join(const causal_context& mine, const dot_set& other,
                   const causal_context& theirs) {
  std::vector<dot> joined;
  auto a = dots.begin();
  auto b = other.dots.begin();
  while (a != dots.end() || b != other.dots.end()) {
    if (b == other.dots.end() || (a != dots.end() && *a < *b)) {
      if (!theirs.contains(*a))
        joined.push_back(*a);
      ++a;
    } else if (a == dots.end() || *b < *a) {
      if (!mine.contains(*b))
        joined.push_back(*b);
      ++b;
    } else {
      joined.push_back(*a);
      ++a;
      ++b;
    }
  }
  dots = std::move(joined);
}

failure reused_dot(const dot& what) {
  return {errc::conflict,
          "CRDT change " + to_string(what)
            + ": seen with another value: two replicas share the id "
            + to_string(what.replica) + ": give one of them a new incarnation"};
}

expected<void> check_places(std::vector<placed_dot>& theirs,
                            std::vector<placed_dot>& mine) {
  std::sort(theirs.begin(), theirs.end());
  std::sort(mine.begin(), mine.end());
  auto at = mine.begin();
  for (const auto& one : theirs) {
    while (at != mine.end() && at->what < one.what)
      ++at;
    if (at != mine.end() && at->what == one.what
        && at->fingerprint != one.fingerprint)
      return reused_dot(one.what);
  }
  return {};
}

} // namespace neuroplex::crdt
