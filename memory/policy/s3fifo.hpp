// S3-FIFO, and 2Q, its elder: newcomers prove themselves in a queue of their
// own before they reach the main one.
//
// Purpose: scans pass through the small queue and leave the main one alone.
// What left the small queue is remembered as a ghost; who comes back while
// remembered goes straight to the main queue.
//
// Sources: Yang, Zhang, Qiu, Yue, Rashmi: "FIFO Queues are All You Need for
// Cache Eviction", SOSP 2023. Johnson, Shasha: "2Q: A Low Overhead High
// Performance Buffer Management Replacement Algorithm", VLDB 1994.
//
// Ownership and threads, invariants, failure behaviour: as queues.hpp.
#pragma once

#include "memory/policy/ghosts.hpp"
#include "memory/policy/queues.hpp"

namespace neuroplex::memory::policy {

/// Ghosts of the last so many that left a queue.
class departures {
public:
  /// Whether the key is among the last `most` that left; forgets it.
  [[nodiscard]] bool take(std::uint64_t hash, std::uint64_t most) noexcept {
    auto left = ghosts_.take(hash);
    return left && count_ - *left < most;
  }

  void put(std::uint64_t hash, std::size_t room) {
    ghosts_.fit(room);
    ghosts_.put(hash, ++count_);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return ghosts_.memory_bytes();
  }

private:
  ghosts ghosts_;
  std::uint32_t count_ = 0;
};

class s3fifo_order {
public:
  void hit(residents& all, node_index found, const request& what) noexcept {
    note_use(all.at(found), what.now);
    if (all.at(found).list >= probation) // another order left it there
      all.move(found, settled);
  }

  void miss(residents& all, const request& what) {
    auto back = departures_.take(what.hash, share(all.count(), ghost_part));
    while (all.lacks_room(what.size))
      evict(all);
    all.add(what, back ? settled : young);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return departures_.memory_bytes();
  }

private:
  static constexpr std::uint64_t young_part = 102; // a tenth
  static constexpr std::uint64_t ghost_part = 922; // nine tenths

  void evict(residents& all) {
    if (all.of(probation).count != 0) {
      all.remove(all.of(probation).oldest);
      return;
    }
    auto& small = all.of(young);
    if (small.count != 0
        && (small.weight >= share(all.limit(), young_part)
            || all.of(settled).count == 0)) {
      evict_young(all, small.oldest);
      return;
    }
    auto oldest = all.of(settled).oldest;
    if (all.at(oldest).uses == 0) {
      all.remove(oldest);
    } else {
      --all.at(oldest).uses;
      all.move(oldest, settled);
    }
  }

  void evict_young(residents& all, node_index oldest) {
    if (all.at(oldest).uses > 1) {
      all.at(oldest).uses = 0;
      all.move(oldest, settled);
      return;
    }
    departures_.put(spread(all.at(oldest).key), 2 * std::size_t{all.count()});
    all.remove(oldest);
  }

  departures departures_;
};

class twoq_order {
public:
  void hit(residents& all, node_index found, const request& what) noexcept {
    note_use(all.at(found), what.now);
    if (all.at(found).list == settled)
      all.move(found, settled);
  }

  void miss(residents& all, const request& what) {
    auto back = departures_.take(what.hash, all.count() / 2);
    while (all.lacks_room(what.size)) {
      auto& newcomers = all.of(young);
      if (newcomers.weight >= share(all.limit(), young_part)
          || all.of(settled).count == 0) {
        departures_.put(spread(all.at(newcomers.oldest).key), all.count());
        all.remove(newcomers.oldest);
      } else {
        all.remove(all.of(settled).oldest);
      }
    }
    all.add(what, back ? settled : young);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return departures_.memory_bytes();
  }

private:
  static constexpr std::uint64_t young_part = 256; // a quarter

  departures departures_;
};

} // namespace neuroplex::memory::policy
