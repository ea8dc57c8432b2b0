#include "crdt/sequence.hpp"

#include <tuple>

namespace neuroplex::crdt {

namespace {

using placed = std::pair<dot, tree_place>;

// By parent; then the left children, then the right ones; then by dot.
bool in_tree_order(const placed& a, const placed& b) noexcept {
  return std::tuple{a.second.parent, !a.second.left, a.first}
         < std::tuple{b.second.parent, !b.second.left, b.first};
}

struct visit {
  dot node;
  bool opened = false; ///< its left children were put before it
};

} // namespace

std::vector<listed_node>
walk_tree(std::vector<std::pair<dot, tree_place>> places,
          const causal_context& removed) {
  std::sort(places.begin(), places.end(), in_tree_order);
  auto children = [&](const dot& parent) {
    auto first = std::lower_bound(places.begin(), places.end(), parent,
                                  [](const placed& one, const dot& wanted) {
                                    return one.second.parent < wanted;
                                  });
    auto last = first;
    while (last != places.end() && last->second.parent == parent)
      ++last;
    return std::span<const placed>{first, last};
  };
  std::vector<listed_node> order;
  order.reserve(places.size());
  // A text is a deep tree: the stack is ours. What is on top comes first.
  std::vector<visit> stack{{dot{}, false}};
  while (!stack.empty()) {
    auto [node, opened] = stack.back();
    stack.pop_back();
    if (opened) {
      order.push_back({node, !removed.contains(node)});
      continue;
    }
    auto below = children(node);
    auto left = below.begin();
    while (left != below.end() && left->second.left)
      ++left;
    for (auto at = below.end(); at != left;)
      stack.push_back({(--at)->first, false});
    if (node.counter != 0)
      stack.push_back({node, true});
    for (auto at = left; at != below.begin();)
      stack.push_back({(--at)->first, false});
  }
  return order;
}

} // namespace neuroplex::crdt
