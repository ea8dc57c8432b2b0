// A list that many may edit, such as a text.
//
// Purpose: elements form a tree, in which each is a left or a right child of
// another; the list is the walk through it. Runs that several people type at
// one place do not interleave.
//
// Source: Weidner, Kleppmann, "The art of the fugue: minimizing interleaving in
// collaborative text editing" (2023), algorithm 1.
//
// Threads: a plain value.
//
// Invariants:
//  1. A node is never taken away, since others hang on it: one that was removed
//     loses its value, and costs a byte or two where it was typed in a run.
//  2. A node whose parent did not come yet is kept and not shown.
//
// Cost: a local change, and a merge that brings only removes, walk a list of
// small records; a merge that brings nodes builds that list anew.
//
// Failure behaviour: as in `state.hpp`; a place beyond the end is refused with
// `errc::bad_argument`.
#pragma once

#include "crdt/state.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

namespace neuroplex::crdt {

/// Where a node hangs. The root is the dot with the counter 0.
struct tree_place {
  dot parent;
  bool left = false;

  friend bool operator==(const tree_place&, const tree_place&) = default;
};

/// A node in the order of the list.
struct listed_node {
  dot id;
  bool shown = false;
};

/// The nodes that hang on the root, in the order of the list.
[[nodiscard]] std::vector<listed_node>
walk_tree(std::vector<std::pair<dot, tree_place>> places,
          const causal_context& removed);

template <class T>
class sequence_lattice {
public:
  struct node {
    tree_place place;
    T value{}; ///< T{} when it was removed

    friend bool operator==(const node&, const node&) = default;
  };

  void join(const sequence_lattice& other);
  [[nodiscard]] expected<void> check(const sequence_lattice& other) const;
  void write(encoder& out) const;
  [[nodiscard]] static sequence_lattice read(decoder& in);

  static void describe(std::string& out) {
    out += "sequence(";
    codec<T>::describe(out);
    out += ')';
  }

  friend bool operator==(const sequence_lattice& a, const sequence_lattice& b) {
    return a.nodes_ == b.nodes_ && a.removed_ == b.removed_;
  }

  [[nodiscard]] const std::map<dot, node>& nodes() const noexcept {
    return nodes_;
  }

  [[nodiscard]] const causal_context& removed() const noexcept {
    return removed_;
  }

  /// All nodes in the order of the list.
  [[nodiscard]] const std::vector<listed_node>& order() const noexcept {
    return order_;
  }

  /// How many are shown.
  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  void add_node(const dot& id, node what) {
    replicas_.insert(id.replica);
    if (what.place.parent.counter != 0)
      replicas_.insert(what.place.parent.replica);
    nodes_.emplace(id, std::move(what));
  }

  void add_removed(const dot& id) {
    replicas_.insert(id.replica);
    removed_.add(id);
  }

  /// Joins a run that begins a subtree between `place` - 1 and `place`.
  void join_run(std::size_t place, const sequence_lattice& run,
                const dot& first);

  /// Makes the list again after nodes were added.
  void rebuild();

private:
  /// After more was removed, and nothing added.
  void hide_removed();

  std::map<dot, node> nodes_;
  causal_context removed_;
  std::set<replica_id> replicas_; ///< all that are named anywhere
  std::vector<listed_node> order_;
  std::size_t size_ = 0;
};

template <class T>
class sequence : public state<sequence<T>, sequence_lattice<T>> {
public:
  using lattice_type = sequence_lattice<T>;

  /// Puts `values` before the element at `index`, or at the end.
  [[nodiscard]] expected<sequence> insert(replica_id by, std::size_t index,
                                          std::span<const T> values);

  [[nodiscard]] expected<sequence> insert(replica_id by, std::size_t index,
                                          const T& value) {
    return insert(by, index, std::span{&value, 1});
  }

  /// Removes `count` elements from `index` on.
  [[nodiscard]] expected<sequence> remove(replica_id by, std::size_t index,
                                          std::size_t count = 1);

  [[nodiscard]] std::size_t size() const noexcept {
    return this->lattice_.size();
  }

  [[nodiscard]] std::vector<T> value() const {
    std::vector<T> result;
    result.reserve(size());
    for (const auto& [id, shown] : this->lattice_.order())
      if (shown)
        result.push_back(this->lattice_.nodes().at(id).value);
    return result;
  }

private:
  [[nodiscard]] failure beyond_end(std::size_t index) const {
    return {errc::bad_argument, "CRDT sequence: place " + std::to_string(index)
                                  + ": expected at most "
                                  + std::to_string(size())};
  }

  /// The place in the order right behind `count` shown elements.
  [[nodiscard]] std::size_t place_behind(std::size_t count) const noexcept {
    const auto& order = this->lattice_.order();
    std::size_t place = 0;
    for (; count != 0; ++place)
      count -= order[place].shown ? 1 : 0;
    return place;
  }

  /// Whether the node `below` lies in the right subtree of `above`.
  [[nodiscard]] bool is_right_of(dot below, const dot& above) const {
    for (;;) {
      const auto& place = this->lattice_.nodes().at(below).place;
      if (!place.left)
        return place.parent == above;
      below = place.parent;
    }
  }

  [[nodiscard]] expected<dot> next_dot(replica_id by) const {
    const auto& nodes = this->lattice_.nodes();
    auto after = nodes.upper_bound(dot{by, UINT64_MAX});
    causal_context own;
    if (after != nodes.begin() && std::prev(after)->first.replica == by)
      own.add(std::prev(after)->first);
    return own.next(by);
  }
};

template <class T>
void sequence_lattice<T>::join(const sequence_lattice& other) {
  removed_.merge(other.removed_);
  replicas_.insert(other.replicas_.begin(), other.replicas_.end());
  auto grown = false;
  for (const auto& [id, what] : other.nodes_)
    grown = nodes_.emplace(id, what).second || grown;
  // What waits for its parent is not in the list, and may be removed too.
  if (grown || order_.size() != nodes_.size())
    rebuild();
  else
    hide_removed();
}

template <class T>
void sequence_lattice<T>::join_run(std::size_t place,
                                   const sequence_lattice& run,
                                   const dot& first) {
  nodes_.insert(run.nodes_.begin(), run.nodes_.end());
  replicas_.insert(run.replicas_.begin(), run.replicas_.end());
  std::vector<listed_node> listed;
  for (auto at = run.nodes_.find(first); at != run.nodes_.end(); ++at)
    listed.push_back({at->first, true});
  order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(place),
                listed.begin(), listed.end());
  size_ += listed.size();
}

template <class T>
void sequence_lattice<T>::rebuild() {
  std::vector<std::pair<dot, tree_place>> places;
  places.reserve(nodes_.size());
  for (auto& [id, what] : nodes_) {
    places.emplace_back(id, what.place);
    if (removed_.contains(id))
      what.value = {};
  }
  order_ = walk_tree(std::move(places), removed_);
  size_ = static_cast<std::size_t>(
    std::count_if(order_.begin(), order_.end(),
                  [](const listed_node& one) { return one.shown; }));
}

template <class T>
void sequence_lattice<T>::hide_removed() {
  for (auto& one : order_) {
    if (!one.shown || !removed_.contains(one.id))
      continue;
    one.shown = false;
    nodes_.at(one.id).value = {};
    --size_;
  }
}

template <class T>
expected<void> sequence_lattice<T>::check(const sequence_lattice& other) const {
  auto named = replicas_.size();
  for (auto replica : other.replicas_)
    named += replicas_.contains(replica) ? 0 : 1;
  if (auto fits = check_replica_count(named); !fits)
    return fits;
  for (const auto& [id, theirs] : other.nodes_) {
    auto mine = nodes_.find(id);
    if (mine == nodes_.end())
      continue;
    auto gone = removed_.contains(id) || other.removed_.contains(id);
    if (mine->second.place != theirs.place
        || (!gone && mine->second.value != theirs.value))
      return reused_dot(id);
  }
  return {};
}

// A node says in a byte how it hangs: as the right child of the node before it,
// as most do, of the root, or of another that follows.
template <class T>
void sequence_lattice<T>::write(encoder& out) const {
  removed_.write(out);
  out.put_varint(nodes_.size());
  dot previous;
  for (const auto& [id, what] : nodes_) {
    auto follows = id.replica == previous.replica
                   && id.counter == previous.counter + 1
                   && previous.counter != 0;
    auto chained = follows && !what.place.left && what.place.parent == previous;
    auto of_root = what.place.parent.counter == 0;
    out.put_byte(static_cast<std::uint8_t>((chained   ? 0
                                            : of_root ? 1
                                                      : 2)
                                           | (what.place.left ? 4 : 0)
                                           | (follows ? 8 : 0)));
    if (!follows) {
      out.put_replica(id.replica);
      out.put_varint(id.counter);
    }
    if (!chained && !of_root) {
      out.put_replica(what.place.parent.replica);
      out.put_varint(what.place.parent.counter);
    }
    if (!removed_.contains(id))
      codec<T>::write(out, what.value);
    previous = id;
  }
}

template <class T>
sequence_lattice<T> sequence_lattice<T>::read(decoder& in) {
  sequence_lattice result;
  result.removed_ = causal_context::read(in);
  for (const auto& [replica, seen] : result.removed_.entries())
    result.replicas_.insert(replica);
  auto take_dot = [&] {
    dot id;
    id.replica = in.take_replica();
    id.counter = in.take_varint();
    if (id.counter == 0 || id.counter > limits::max_counter)
      in.fail("a counter out of its range");
    return id;
  };
  auto count = in.take_count();
  dot previous;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto how = in.take_byte();
    auto follows = (how & 8) != 0;
    node what;
    what.place.left = (how & 4) != 0;
    if (how > 15 || (how & 3) == 3 || ((how & 3) == 0 && how != 8)
        || (how & 7) == 5 || (follows && previous.counter == 0))
      in.fail("a node that hangs nowhere");
    dot follower{previous.replica, previous.counter + 1};
    auto id = follows ? follower : take_dot();
    if (id <= previous || (!follows && i != 0 && id == follower))
      in.fail("nodes out of order");
    if ((how & 3) == 0)
      what.place.parent = previous;
    else if ((how & 3) == 2)
      what.place.parent = take_dot();
    if ((how & 3) == 2 && follows && !what.place.left
        && what.place.parent == previous)
      in.fail("a parent that goes without saying");
    if (!result.removed_.contains(id))
      what.value = codec<T>::read(in);
    result.add_node(id, std::move(what));
    previous = id;
  }
  if (!in.failed())
    result.rebuild();
  return result;
}

template <class T>
expected<sequence<T>> sequence<T>::insert(replica_id by, std::size_t index,
                                          std::span<const T> values) {
  if (index > size())
    return beyond_end(index);
  for (const auto& value : values)
    if (auto fits = codec<T>::check(value); !fits)
      return fits.error();
  auto first = next_dot(by);
  if (!first)
    return first.error();
  if (values.size() > limits::max_counter - first->counter)
    return failure{errc::overflow, "CRDT sequence: replica " + to_string(by)
                                     + ": its counters are used up: give the "
                                       "node a new incarnation"};
  sequence delta;
  if (values.empty())
    return delta;
  const auto& order = this->lattice_.order();
  auto place = place_behind(index);
  // To the right of what is before it; or, where something hangs there already,
  // to the left of what comes next, which then has nothing on its left.
  auto before = place == 0 ? dot{} : order[place - 1].id;
  tree_place hangs{before, false};
  if (place < order.size() && is_right_of(order[place].id, before))
    hangs = {order[place].id, true};
  auto id = *first;
  for (const auto& value : values) {
    delta.lattice_.add_node(id, {hangs, value});
    hangs = {id, false};
    ++id.counter;
  }
  if (auto fits = this->lattice_.check(delta.lattice_); !fits)
    return fits.error();
  this->lattice_.join_run(place, delta.lattice_, *first);
  delta.lattice_.rebuild();
  return delta;
}

template <class T>
expected<sequence<T>> sequence<T>::remove(replica_id, std::size_t index,
                                          std::size_t count) {
  if (index > size() || count > size() - index)
    return beyond_end(index > size() ? index : index + count);
  lattice_type change;
  const auto& order = this->lattice_.order();
  for (auto place = place_behind(index); count != 0; ++place) {
    if (order[place].shown) {
      change.add_removed(order[place].id);
      --count;
    }
  }
  return this->commit(std::move(change));
}

} // namespace neuroplex::crdt
