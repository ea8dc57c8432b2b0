// A flat hash table of (element, dot), for `or_set`.
//
// Purpose: one cache miss tells whether an element is there. A slot holds the
// element and a dot of it; an element with several dots, which is rare, has as
// many slots. Linear probing, deletion by shifting back (Knuth, volume 3,
// section 6.4, algorithm R), so nothing is left behind by what was removed.
// The home of an element is its hash times the number of slots over 2^32, so
// that the table may have any size and grows by a third: at most 26.3 bytes for
// an element of eight.
//
// Threads: a plain value.
//
// Invariants: at most 13/16 of the slots are used; no slot between the home of
// an element and its slot is free.
#pragma once

#include "crdt/digest.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace neuroplex::crdt {

/// A replica's number in a set (16 bits) and a counter (48 bits). A counter is
/// never 0, and neither is a packed dot.
enum class packed_dot : std::uint64_t { none = 0 };

[[nodiscard]] constexpr packed_dot pack(std::size_t replica_index,
                                        std::uint64_t counter) noexcept {
  return static_cast<packed_dot>(static_cast<std::uint64_t>(replica_index) << 48
                                 | counter);
}

[[nodiscard]] constexpr std::size_t replica_index_of(packed_dot what) noexcept {
  return static_cast<std::uint64_t>(what) >> 48;
}

[[nodiscard]] constexpr std::uint64_t counter_of(packed_dot what) noexcept {
  return static_cast<std::uint64_t>(what) & limits::max_counter;
}

template <class T>
class element_table {
public:
  struct slot {
    T element{};
    packed_dot what = packed_dot::none;
  };

  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  [[nodiscard]] static std::uint32_t hash_of(const T& element) {
    return static_cast<std::uint32_t>(fingerprint_of(element) >> 32);
  }

  /// The first slot of `element`; `nowhere` when there is none.
  [[nodiscard]] std::size_t find(const T& element,
                                 std::uint32_t hash) const noexcept {
    return slots_.empty() ? nowhere : find_from(home(hash), element);
  }

  /// The next slot of the same element behind `at`.
  [[nodiscard]] std::size_t find_next(std::size_t at) const noexcept {
    return find_from(next(at), slots_[at].element);
  }

  /// The slot of a dot that is there.
  [[nodiscard]] std::size_t slot_of(packed_dot what,
                                    std::uint32_t hash) const noexcept {
    auto at = home(hash);
    while (slots_[at].what != what)
      at = next(at);
    return at;
  }

  void insert(T element, std::uint32_t hash, packed_dot what) {
    if (used_ + 1 > slots_.size() / 16 * 13)
      grow();
    place(std::move(element), hash, what);
    ++used_;
  }

  void replace(std::size_t at, packed_dot what) noexcept {
    slots_[at].what = what;
  }

  void erase(std::size_t at) {
    auto free = at;
    for (auto i = next(at); slots_[i].what != packed_dot::none; i = next(i)) {
      // Distances along the circle: whoever is at home behind the free slot
      // stays.
      auto from_home = distance(home(hash_of(slots_[i].element)), i);
      if (from_home < distance(free, i))
        continue;
      slots_[free] = std::move(slots_[i]);
      free = i;
    }
    slots_[free] = {};
    --used_;
  }

  /// Brings the home of `hash` into the cache.
  void prefetch(std::uint32_t hash) const noexcept {
    if (!slots_.empty())
      __builtin_prefetch(&slots_[home(hash)]);
  }

  /// Makes room for `count` more.
  void reserve(std::size_t count) {
    auto wanted = (used_ + count) / 13 * 16 + 16;
    if (wanted > slots_.size())
      rebuild(wanted);
  }

  [[nodiscard]] const slot& operator[](std::size_t at) const noexcept {
    return slots_[at];
  }

  /// Slots that hold a dot.
  [[nodiscard]] std::size_t used() const noexcept {
    return used_;
  }

  [[nodiscard]] const std::vector<slot>& slots() const noexcept {
    return slots_;
  }

private:
  [[nodiscard]] std::size_t home(std::uint32_t hash) const noexcept {
    return static_cast<std::size_t>(hash) * slots_.size() >> 32;
  }

  [[nodiscard]] std::size_t next(std::size_t at) const noexcept {
    return at + 1 == slots_.size() ? 0 : at + 1;
  }

  [[nodiscard]] std::size_t distance(std::size_t from,
                                     std::size_t to) const noexcept {
    return to >= from ? to - from : to + slots_.size() - from;
  }

  [[nodiscard]] std::size_t find_from(std::size_t at,
                                      const T& element) const noexcept {
    for (; slots_[at].what != packed_dot::none; at = next(at))
      if (slots_[at].element == element)
        return at;
    return nowhere;
  }

  void place(T element, std::uint32_t hash, packed_dot what) {
    auto at = home(hash);
    while (slots_[at].what != packed_dot::none)
      at = next(at);
    slots_[at] = {std::move(element), what};
  }

  void grow() {
    rebuild(slots_.size() / 3 * 4 + 16);
  }

  void rebuild(std::size_t count) {
    std::vector<slot> old(count);
    old.swap(slots_);
    // Homes are in the order of the hashes, so both tables are walked once.
    for (auto& one : old)
      if (one.what != packed_dot::none) {
        auto hash = hash_of(one.element);
        place(std::move(one.element), hash, one.what);
      }
  }

  std::vector<slot> slots_;
  std::size_t used_ = 0;
};

} // namespace neuroplex::crdt
