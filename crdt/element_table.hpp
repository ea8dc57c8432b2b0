// A flat hash table of (element, dot), for `or_set`.
//
// Purpose: one cache miss tells whether an element is there. A slot holds the
// element and a dot of it; an element with several dots, which is rare, has as
// many slots. Linear probing in the order of the hashes (Amble, Knuth, "Ordered
// hash tables", 1974), deletion by shifting back, so that nothing is left
// behind by what was removed. Since the order is the same in all tables, two
// are merged, or one is made larger, by walking them once from front to back.
// A byte a slot says whether it is used, and has seven bits of the hash. A
// search looks at eight of them at a time and seldom at a wrong element
// (Abseil, "Swiss tables", 2017); so the processor foresees what it does, and
// several searches wait for memory at the same time.
// The home of an element is its hash times the number of homes over 2^32, so
// that the table may have any size and grows by a quarter: at most 26.2 bytes
// for an element of eight.
//
// Threads: a plain value.
//
// Invariants: slots are sorted by the hashes of their elements; no slot between
// the home of an element and its slot is free; the last slot is free; elements
// are at most 13/16 of the homes; the tag of a slot is 0 when it is free.
#pragma once

#include "crdt/digest.hpp"

#include <algorithm>
#include <bit>
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

/// Eight tags of slots that follow one another.
class tag_group {
public:
  static constexpr std::size_t size = 8;

  explicit tag_group(const std::uint8_t* tags) noexcept {
    for (std::size_t i = 0; i < size; ++i)
      tags_ |= static_cast<std::uint64_t>(tags[i]) << 8 * i;
  }

  /// The top bits of those that are equal to `tag`, up to the first free slot.
  [[nodiscard]] std::uint64_t matches(std::uint8_t tag) const noexcept {
    auto free = zero_bytes(tags_);
    return zero_bytes(tags_ ^ ones * tag) & ((free & -free) - 1);
  }

  [[nodiscard]] bool has_free() const noexcept {
    return zero_bytes(tags_) != 0;
  }

  /// The place of the first of some top bits.
  [[nodiscard]] static std::size_t first(std::uint64_t bits) noexcept {
    return static_cast<std::size_t>(std::countr_zero(bits)) / 8;
  }

private:
  static constexpr std::uint64_t ones = 0x0101010101010101U;

  /// The top bit of each byte that is zero.
  static std::uint64_t zero_bytes(std::uint64_t bytes) noexcept {
    constexpr auto low_seven = ones * 0x7F;
    return ~(((bytes & low_seven) + low_seven) | bytes | low_seven);
  }

  std::uint64_t tags_ = 0;
};

template <class T>
class element_table {
public:
  struct slot {
    T element{};
    packed_dot what = packed_dot::none;
  };

  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  /// Never 0.
  [[nodiscard]] static std::uint32_t hash_of(const T& element) {
    auto hash = static_cast<std::uint32_t>(fingerprint_of(element) >> 32);
    return hash == 0 ? 1 : hash;
  }

  /// The first slot of `element`; `nowhere` when there is none.
  [[nodiscard]] std::size_t find(const T& element,
                                 std::uint32_t hash) const noexcept {
    return slots_.empty() ? nowhere : find_from(home(hash), element, hash);
  }

  /// The next slot of the same element behind `at`.
  [[nodiscard]] std::size_t find_next(std::size_t at) const noexcept {
    const auto& element = slots_[at].element;
    return find_from(at + 1, element, hash_of(element));
  }

  /// The slot of a dot that is there.
  [[nodiscard]] std::size_t slot_of(packed_dot what,
                                    std::uint32_t hash) const noexcept {
    auto at = home(hash);
    while (slots_[at].what != what)
      ++at;
    return at;
  }

  /// Whether no other slot has the element of this one, which has `hash`.
  [[nodiscard]] bool is_alone(std::size_t at,
                              std::uint32_t hash) const noexcept {
    // Those with the same hash lie side by side.
    auto is_same = [&](std::size_t other) {
      return is_used(other) && hash_of(slots_[other].element) == hash;
    };
    const auto& element = slots_[at].element;
    for (auto before = at; before != 0 && is_same(before - 1); --before)
      if (slots_[before - 1].element == element)
        return false;
    for (auto behind = at + 1; is_same(behind); ++behind)
      if (slots_[behind].element == element)
        return false;
    return true;
  }

  /// Answers whether the element was not there yet.
  bool insert(T element, std::uint32_t hash, packed_dot what) {
    if (used_ + 1 > homes_ / 16 * 13)
      rebuild(homes_ / 4 * 5 + 16, least_tail);
    auto is_new = true;
    auto at = home(hash);
    for (; is_used(at); ++at) {
      is_new = is_new && !(slots_[at].element == element);
      if (hash_of(slots_[at].element) > hash)
        break;
    }
    auto free = at;
    while (is_used(free))
      ++free;
    if (free + 1 == slots_.size()) {
      // Behind the last home there is no room left.
      rebuild(homes_, (slots_.size() - homes_) * 2);
      return insert(std::move(element), hash, what) && is_new;
    }
    for (; free != at; --free) {
      slots_[free] = std::move(slots_[free - 1]);
      tags_[free] = tags_[free - 1];
    }
    slots_[at] = {std::move(element), what};
    tags_[at] = tag_of(hash);
    ++used_;
    return is_new;
  }

  /// Inserts what `choose` wants of `other`: it answers for each dot the one
  /// to be used here, or none. `most` is not less than the number of those.
  /// Answers how many elements were not there yet.
  template <class Choose>
  std::size_t merge(const element_table& other, std::size_t most,
                    Choose choose) {
    ordered_writer to{std::max(homes_, homes_for(used_ + most)), least_tail};
    std::size_t found = 0;
    auto mine = slots_.begin();
    auto skip_free = [&] {
      while (mine != slots_.end() && mine->what == packed_dot::none)
        ++mine;
    };
    auto keep_up_to = [&](std::uint64_t hash) {
      for (skip_free(); mine != slots_.end(); skip_free()) {
        auto its_hash = hash_of(mine->element);
        if (its_hash > hash)
          return;
        to.append(std::move(mine->element), its_hash, mine->what);
        ++mine;
      }
    };
    for (const auto& one : other.slots_) {
      if (one.what == packed_dot::none)
        continue;
      auto what = choose(one.what);
      if (what == packed_dot::none)
        continue;
      auto hash = hash_of(one.element);
      keep_up_to(hash);
      if (to.append(one.element, hash, what))
        ++found;
      ++used_;
    }
    keep_up_to(UINT32_MAX);
    to.finish(*this);
    return found;
  }

  void replace(std::size_t at, packed_dot what) noexcept {
    slots_[at].what = what;
  }

  void erase(std::size_t at) {
    // Whoever is at home stays, and so do all behind.
    while (is_used(at + 1) && home(hash_of(slots_[at + 1].element)) <= at) {
      slots_[at] = std::move(slots_[at + 1]);
      tags_[at] = tags_[at + 1];
      ++at;
    }
    slots_[at] = {};
    tags_[at] = 0;
    --used_;
  }

  /// Brings the home of `hash` into the cache.
  void prefetch(std::uint32_t hash) const noexcept {
    if (slots_.empty())
      return;
    __builtin_prefetch(&slots_[home(hash)]);
    __builtin_prefetch(&tags_[home(hash)]);
  }

  /// Makes room for `count` more.
  void reserve(std::size_t count) {
    auto wanted = homes_for(used_ + count);
    if (wanted > homes_)
      rebuild(wanted, least_tail);
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

  [[nodiscard]] std::size_t bytes() const noexcept {
    return slots_.capacity() * sizeof(slot) + tags_.capacity();
  }

private:
  /// Slots behind the last home, for those whose homes are near the end.
  static constexpr std::size_t least_tail = 32;

  /// Fills a new table from front to back.
  class ordered_writer {
  public:
    ordered_writer(std::size_t homes, std::size_t tail)
      : homes_{homes}, slots_(homes + tail), tags_(tags_for(slots_.size())) {
    }

    /// `hash` is not below that of the one before. Answers whether the element
    /// was not there yet.
    bool append(T element, std::uint32_t hash, packed_dot what) {
      auto at = std::max(next_, home_of(hash, homes_));
      if (at + 1 >= slots_.size()) {
        slots_.resize(at + 2);
        tags_.resize(tags_for(slots_.size()));
      }
      // Those with the same hash lie side by side.
      if (hash != last_hash_)
        run_ = at;
      last_hash_ = hash;
      auto is_new = true;
      for (auto i = run_; i < at; ++i)
        is_new = is_new && !(slots_[i].element == element);
      slots_[at] = {std::move(element), what};
      tags_[at] = tag_of(hash);
      next_ = at + 1;
      return is_new;
    }

    void finish(element_table& to) {
      to.slots_ = std::move(slots_);
      to.tags_ = std::move(tags_);
      to.homes_ = homes_;
    }

  private:
    std::size_t homes_;
    std::vector<slot> slots_;
    std::vector<std::uint8_t> tags_;
    std::size_t next_ = 0;
    std::uint32_t last_hash_ = 0;
    std::size_t run_ = 0; ///< where that hash begins
  };

  [[nodiscard]] static std::size_t home_of(std::uint32_t hash,
                                           std::size_t homes) noexcept {
    return static_cast<std::size_t>(hash) * homes >> 32;
  }

  [[nodiscard]] static std::uint8_t tag_of(std::uint32_t hash) noexcept {
    return static_cast<std::uint8_t>(hash | 0x80U);
  }

  [[nodiscard]] static std::size_t tags_for(std::size_t slots) noexcept {
    return slots + tag_group::size;
  }

  [[nodiscard]] static std::size_t homes_for(std::size_t count) noexcept {
    return count / 13 * 16 + 16;
  }

  [[nodiscard]] std::size_t home(std::uint32_t hash) const noexcept {
    return home_of(hash, homes_);
  }

  [[nodiscard]] bool is_used(std::size_t at) const noexcept {
    return slots_[at].what != packed_dot::none;
  }

  [[nodiscard]] std::size_t find_from(std::size_t at, const T& element,
                                      std::uint32_t hash) const noexcept {
    // Tags and slot come at the same time.
    __builtin_prefetch(&slots_[at]);
    for (;; at += tag_group::size) {
      tag_group group{&tags_[at]};
      for (auto some = group.matches(tag_of(hash)); some != 0;
           some &= some - 1) {
        auto place = at + tag_group::first(some);
        if (slots_[place].element == element)
          return place;
      }
      if (group.has_free())
        break;
    }
    return nowhere;
  }

  void rebuild(std::size_t homes, std::size_t tail) {
    ordered_writer to{homes, tail};
    for (auto& one : slots_)
      if (one.what != packed_dot::none) {
        auto hash = hash_of(one.element);
        to.append(std::move(one.element), hash, one.what);
      }
    to.finish(*this);
  }

  std::vector<slot> slots_;
  std::vector<std::uint8_t> tags_; ///< with a group behind the last slot
  std::size_t homes_ = 0;
  std::size_t used_ = 0;
};

} // namespace neuroplex::crdt
