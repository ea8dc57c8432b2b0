// The entries a replacement policy decides about: who is here, in which lists.
//
// Purpose: a slab of nodes, an open-addressed table that finds a node by key,
// and doubly linked lists over the slab. Links are 32-bit places in the slab,
// so one entry costs a node and a table cell or two, and no allocation of its
// own. Every order (orders.hpp) works on lists of this class, which is why one
// order can take over from another without losing a resident.
//
// Ownership and threads: owns its memory; one thread.
//
// Invariants:
//  1. `weight()` never exceeds `limit()`: `add` wants the room made before.
//  2. Each resident is in exactly one list, in the one that its node names.
//  3. A node holds 16 bytes for the policy beside key and size.
//
// Failure behaviour: a broken invariant ends the process; memory that runs out
// does so too.
#pragma once

#include "memory/status.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace neuroplex::memory::policy {

/// Spreads the bits of a key (the finalizer of MurmurHash3, Appleby).
[[nodiscard]] inline std::uint64_t spread(std::uint64_t key) noexcept {
  key = (key ^ (key >> 33)) * 0xFF51AFD7ED558CCDULL;
  key = (key ^ (key >> 33)) * 0xC4CEB9FE1A85EC53ULL;
  return key ^ (key >> 33);
}

/// Whether logical time `a` is after `b`; right across one wrap of the clock.
[[nodiscard]] inline bool is_after(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) > 0;
}

/// A request as the orders see it.
struct request {
  std::uint64_t key;
  std::uint64_t hash;
  std::uint32_t size; ///< in the unit of the limit
  std::uint32_t now;  ///< logical time: requests so far
};

/// Lists that the orders share, so that one can follow another. Lists from
/// `role_count` on belong to `gdsf_order`.
enum list_role : std::uint16_t {
  young = 0,     ///< newcomers: the window, the small queue, A1in, T1, HIR
  settled = 1,   ///< what has proved itself: the main queue, Am, T2, LIR
  probation = 2, ///< what is to prove itself again
  role_count = 3,
};

/// A part of a limit, in 1024ths, at least one.
[[nodiscard]] constexpr std::uint64_t share(std::uint64_t whole,
                                            std::uint64_t part) noexcept {
  constexpr std::uint64_t parts = 1024;
  auto found = whole / parts * part + whole % parts * part / parts;
  return found == 0 ? 1 : found;
}

/// Place of a node in the slab.
using node_index = std::uint32_t;
inline constexpr node_index no_node = 0xFFFF'FFFF;

struct node {
  std::uint64_t key;
  std::uint32_t size; ///< what it weighs against the limit
  // What the policy needs.
  node_index older;   ///< towards the tail of its list
  node_index newer;   ///< towards the head of its list
  std::uint32_t time; ///< logical time of the last use
  std::uint16_t list;
  std::uint8_t uses; ///< since when, and up to what, each order says
  std::uint8_t mark; ///< of an order's own
};

static_assert(sizeof(node) - sizeof(node::key) - sizeof(node::size)
                <= 16 + alignof(node) / 2,
              "16 bytes an entry, and what alignment adds");

class residents {
public:
  struct list {
    node_index newest = no_node;
    node_index oldest = no_node;
    std::uint32_t count = 0;
    std::uint64_t weight = 0;
  };

  residents(std::uint64_t limit, std::size_t list_count)
    : limit_{limit}, lists_(list_count) {
    rehash(min_cells);
  }

  [[nodiscard]] std::uint64_t limit() const noexcept {
    return limit_;
  }

  [[nodiscard]] std::uint64_t weight() const noexcept {
    return weight_;
  }

  [[nodiscard]] std::uint32_t count() const noexcept {
    return count_;
  }

  /// Whether `size` more would exceed the limit.
  [[nodiscard]] bool lacks_room(std::uint32_t size) const noexcept {
    return weight_ + size > limit_;
  }

  [[nodiscard]] node& at(node_index index) noexcept {
    return nodes_[index];
  }

  [[nodiscard]] const node& at(node_index index) const noexcept {
    return nodes_[index];
  }

  [[nodiscard]] const list& of(std::size_t index) const noexcept {
    return lists_[index];
  }

  [[nodiscard]] node_index find(std::uint64_t key,
                                std::uint64_t hash) const noexcept {
    auto tag = tag_of(hash);
    for (auto at = hash & mask_; cells_[at] != 0; at = (at + 1) & mask_)
      if ((cells_[at] & ~place_mask_) == tag) {
        auto index = (cells_[at] & place_mask_) - 1;
        if (nodes_[index].key == key)
          return index;
      }
    return no_node;
  }

  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&cells_[hash & mask_]);
  }

  /// A new resident, as the newest of a list. There is room for it.
  node_index add(const request& what, std::size_t to) {
    auto [key, hash, size, now] = what;
    NEUROPLEX_ENSURE(!lacks_room(size));
    auto index = take_node();
    if (2 * (std::size_t{count_} + 1) > mask_)
      rehash(2 * (mask_ + 1));
    auto at = hash & mask_;
    while (cells_[at] != 0)
      at = (at + 1) & mask_;
    cells_[at] = tag_of(hash) | (index + 1);
    nodes_[index] = {key, size, no_node, no_node, now, 0, 0, 0};
    push(index, to);
    weight_ += size;
    ++count_;
    return index;
  }

  /// Out it goes.
  void remove(node_index index) noexcept {
    unlink(index);
    forget(index);
    weight_ -= nodes_[index].size;
    --count_;
    nodes_[index].older = free_;
    free_ = index;
  }

  /// Another limit. What is above it goes, oldest of each list first.
  void set_limit(std::uint64_t limit) noexcept {
    limit_ = limit;
    for (auto& each : lists_)
      while (weight_ > limit_ && each.count != 0)
        remove(each.oldest);
  }

  /// Out go all whose hash does not fulfil `stays`.
  template <class Predicate>
  void keep_if(Predicate stays) noexcept {
    for (auto& each : lists_)
      for (auto index = each.oldest; index != no_node;) {
        auto newer = nodes_[index].newer;
        if (!stays(spread(nodes_[index].key)))
          remove(index);
        index = newer;
      }
  }

  /// To the newest end of a list, from wherever it is.
  void move(node_index index, std::size_t to) noexcept {
    unlink(index);
    push(index, to);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return nodes_.capacity() * sizeof(node)
           + cells_.capacity() * sizeof(std::uint32_t)
           + lists_.capacity() * sizeof(list);
  }

private:
  static constexpr std::size_t min_cells = 64;
  // Places and tags share a cell: as many bits as the table has cells.
  static constexpr std::size_t max_nodes = std::size_t{1} << 30;

  [[nodiscard]] std::uint32_t tag_of(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(hash >> 32) & ~place_mask_;
  }

  node_index take_node() {
    if (free_ != no_node) {
      auto index = free_;
      free_ = nodes_[index].older;
      return index;
    }
    NEUROPLEX_ENSURE(nodes_.size() < max_nodes);
    nodes_.emplace_back();
    return static_cast<node_index>(nodes_.size() - 1);
  }

  void rehash(std::size_t cells) {
    std::vector<std::uint32_t> old(cells, 0);
    old.swap(cells_);
    auto old_mask = place_mask_;
    mask_ = cells - 1;
    place_mask_ = static_cast<std::uint32_t>(mask_);
    for (auto cell : old) {
      if (cell == 0)
        continue;
      auto place = cell & old_mask;
      auto hash = spread(nodes_[place - 1].key);
      auto at = hash & mask_;
      while (cells_[at] != 0)
        at = (at + 1) & mask_;
      cells_[at] = tag_of(hash) | place;
    }
  }

  // Closes the gap that an entry leaves, so that no search stops short.
  void forget(node_index index) noexcept {
    auto at = spread(nodes_[index].key) & mask_;
    while ((cells_[at] & place_mask_) != index + 1)
      at = (at + 1) & mask_;
    for (auto next = (at + 1) & mask_; cells_[next] != 0;
         next = (next + 1) & mask_) {
      auto home = spread(nodes_[(cells_[next] & place_mask_) - 1].key) & mask_;
      if (((next - home) & mask_) >= ((next - at) & mask_)) {
        cells_[at] = cells_[next];
        at = next;
      }
    }
    cells_[at] = 0;
  }

  void push(node_index index, std::size_t to) noexcept {
    auto& target = lists_[to];
    auto& entry = nodes_[index];
    entry.list = static_cast<std::uint16_t>(to);
    entry.older = target.newest;
    entry.newer = no_node;
    if (target.newest != no_node)
      nodes_[target.newest].newer = index;
    else
      target.oldest = index;
    target.newest = index;
    ++target.count;
    target.weight += entry.size;
  }

  void unlink(node_index index) noexcept {
    auto& entry = nodes_[index];
    auto& from = lists_[entry.list];
    if (entry.newer != no_node)
      nodes_[entry.newer].older = entry.older;
    else
      from.newest = entry.older;
    if (entry.older != no_node)
      nodes_[entry.older].newer = entry.newer;
    else
      from.oldest = entry.newer;
    --from.count;
    from.weight -= entry.size;
  }

  std::uint64_t limit_;
  std::uint64_t weight_ = 0;
  std::uint32_t count_ = 0;
  node_index free_ = no_node;
  std::vector<node> nodes_;
  std::vector<std::uint32_t> cells_;
  std::size_t mask_ = 0;
  std::uint32_t place_mask_ = 0;
  std::vector<list> lists_;
};

} // namespace neuroplex::memory::policy
