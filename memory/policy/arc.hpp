// ARC: recency and frequency share the cache, and ghosts of each move the
// border.
//
// Purpose: entries used once (T1, here `young`) and more often (T2, `settled`)
// are LRU lists; a request for what T1 lost lately lets T1 grow, one for what
// T2 lost lets T2 grow.
//
// Source: Megiddo, Modha: "ARC: A Self-Tuning, Low Overhead Replacement Cache",
// FAST 2003. Ghost lists are kept as the last so many departures.
//
// Ownership and threads, invariants, failure behaviour: as queues.hpp.
#pragma once

#include "memory/policy/s3fifo.hpp"

namespace neuroplex::memory::policy {

class arc_order {
public:
  void hit(residents& all, node_index found, const request& what) noexcept {
    note_use(all.at(found), what.now);
    all.move(found, settled);
  }

  void miss(residents& all, const request& what) {
    auto room = std::uint64_t{all.count()};
    auto once_most = room - std::min<std::uint64_t>(room, all.of(young).count);
    auto often_most =
      room - std::min<std::uint64_t>(room, all.of(settled).count);
    auto was_once = once_.take(what.hash, once_most);
    auto was_often = often_.take(what.hash, often_most);
    if (was_once)
      target_ =
        std::min(all.limit(), target_ + step(what.size, often_most, once_most));
    else if (was_often)
      target_ -= std::min(target_, step(what.size, once_most, often_most));
    while (all.lacks_room(what.size))
      evict(all, was_often);
    all.add(what, was_once || was_often ? settled : young);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return once_.memory_bytes() + often_.memory_bytes();
  }

private:
  [[nodiscard]] static std::uint64_t
  step(std::uint32_t size, std::uint64_t other, std::uint64_t own) noexcept {
    return size * std::max<std::uint64_t>(1, own == 0 ? 1 : other / own);
  }

  void evict(residents& all, bool was_often) {
    auto& recent = all.of(young);
    auto from_young =
      recent.count != 0
      && (recent.weight > target_ || (was_often && recent.weight >= target_)
          || all.of(settled).count == 0);
    auto oldest = from_young ? recent.oldest : all.of(settled).oldest;
    auto& left = from_young ? once_ : often_;
    left.put(spread(all.at(oldest).key), all.count());
    all.remove(oldest);
  }

  std::uint64_t target_ = 0; ///< what T1 shall weigh
  departures once_;
  departures often_;
};

} // namespace neuroplex::memory::policy
