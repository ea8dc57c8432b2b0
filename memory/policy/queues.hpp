// The simple orders: FIFO, LRU, CLOCK, SIEVE, LFU.
//
// Purpose: each class says what a hit changes and who leaves on a miss. An
// order works on the lists of `residents`; all it keeps itself is what the
// lists do not say. Every order has the same two functions: `hit` for a
// resident that was found, `miss` which makes room and takes the newcomer in.
//
// Sources: CLOCK: Corbato, "A Paging Experiment with the Multics System", 1968
// (as FIFO with reinsertion). SIEVE: Zhang, Yang, Yue, Vigfusson, Rashmi,
// "SIEVE is Simpler than LRU", NSDI 2024.
//
// Ownership and threads: plain state; one thread, that of the `residents`.
//
// Invariants: room is made before a newcomer is added.
//
// Failure behaviour: none; the newcomer is no heavier than the limit.
#pragma once

#include "memory/policy/residents.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace neuroplex::memory::policy {

/// What a use leaves on a node, whatever the order: its time, and up to three
/// uses.
inline void note_use(node& used, std::uint32_t now) noexcept {
  constexpr std::uint8_t most = 3;
  used.uses = std::min<std::uint8_t>(used.uses + 1, most);
  used.time = now;
}

class fifo_order {
public:
  void hit(residents&, node_index, const request&) noexcept {
  }

  void miss(residents& all, const request& what) {
    while (all.lacks_room(what.size))
      all.remove(all.of(settled).oldest);
    all.add(what, settled);
  }
};

class lru_order {
public:
  void hit(residents& all, node_index found, const request& what) noexcept {
    note_use(all.at(found), what.now);
    all.move(found, settled);
  }

  void miss(residents& all, const request& what) {
    while (all.lacks_room(what.size))
      all.remove(victim(all));
    all.add(what, settled);
  }

private:
  // Another order may have left entries in the other lists.
  static node_index victim(const residents& all) noexcept {
    auto found = all.of(settled).oldest;
    for (auto role : {young, probation}) {
      auto oldest = all.of(role).oldest;
      if (oldest != no_node
          && (found == no_node
              || is_after(all.at(found).time, all.at(oldest).time)))
        found = oldest;
    }
    return found;
  }
};

class clock_order {
public:
  void hit(residents& all, node_index found, const request&) noexcept {
    all.at(found).uses = 1;
  }

  void miss(residents& all, const request& what) {
    while (all.lacks_room(what.size)) {
      auto oldest = all.of(settled).oldest;
      if (all.at(oldest).uses == 0) {
        all.remove(oldest);
      } else {
        all.at(oldest).uses = 0;
        all.move(oldest, settled);
      }
    }
    all.add(what, settled);
  }
};

class sieve_order {
public:
  void hit(residents& all, node_index found, const request&) noexcept {
    all.at(found).uses = 1;
  }

  void miss(residents& all, const request& what) {
    while (all.lacks_room(what.size))
      evict(all);
    all.add(what, settled);
  }

private:
  void evict(residents& all) noexcept {
    auto at = hand_ == no_node ? all.of(settled).oldest : hand_;
    while (all.at(at).uses != 0) {
      all.at(at).uses = 0;
      at = all.at(at).newer;
      if (at == no_node)
        at = all.of(settled).oldest;
    }
    hand_ = all.at(at).newer;
    all.remove(at);
  }

  node_index hand_ = no_node; ///< who is looked at next
};

/// A list for each count of uses up to 255; among equals the one that has been
/// at its count for longest leaves.
class lfu_order {
public:
  static constexpr std::size_t list_count = 256;

  void hit(residents& all, node_index found, const request&) noexcept {
    auto from = all.at(found).list;
    auto to = std::min<std::size_t>(from + 1U, list_count - 1);
    all.move(found, to);
    note(all, from);
    note(all, to);
  }

  void miss(residents& all, const request& what) {
    while (all.lacks_room(what.size)) {
      auto list = lowest();
      all.remove(all.of(list).oldest);
      note(all, list);
    }
    all.add(what, 0);
    note(all, 0);
  }

private:
  static constexpr std::size_t word_bits = 64;

  // Keeps the bit of a list that may have become empty or stopped being so.
  void note(const residents& all, std::size_t list) noexcept {
    auto bit = std::uint64_t{1} << (list % word_bits);
    auto& word = filled_[list / word_bits];
    word = all.of(list).count == 0 ? word & ~bit : word | bit;
  }

  [[nodiscard]] std::size_t lowest() const noexcept {
    std::size_t word = 0;
    while (filled_[word] == 0)
      ++word;
    return word * word_bits
           + static_cast<std::size_t>(std::countr_zero(filled_[word]));
  }

  std::array<std::uint64_t, list_count / word_bits> filled_{};
};

} // namespace neuroplex::memory::policy
