// LIRS: what is used again soon after its last use stays, however old it grows.
//
// Purpose: the order that holds on to part of a loop that does not fit. Entries
// of low inter-reference recency ("LIR", here `settled`) fill all but a small
// part of the cache; the others ("HIR", here `young`) pass through a queue, and
// become LIR when they are used again sooner than the LIR entry whose last use
// is furthest back.
//
// Source: Jiang, Zhang: "LIRS: An Efficient Low Inter-reference Recency Set
// Replacement Policy to Improve Buffer Cache Performance", SIGMETRICS 2002.
// The paper's stack holds resident and departed HIR entries between the LIR
// ones. Here times say the same: an entry is in the stack exactly if its last
// use is later than that of the oldest LIR entry, so there is no stack to
// prune, and a departed entry is a ghost of 8 bytes.
//
// Ownership and threads, invariants, failure behaviour: as queues.hpp.
#pragma once

#include "memory/policy/ghosts.hpp"
#include "memory/policy/queues.hpp"

namespace neuroplex::memory::policy {

class lirs_order {
public:
  /// The part of the limit for HIR entries, in 1024ths.
  explicit lirs_order(std::uint64_t young_part) : young_part_{young_part} {
  }

  void set_young_part(std::uint64_t part) noexcept {
    young_part_ = part;
  }

  void hit(residents& all, node_index found, const request& what) noexcept {
    auto& used = all.at(found);
    auto low = used.list == settled || in_stack(all, used.time);
    note_use(used, what.now);
    all.move(found, low ? settled : young);
    if (low)
      demote_surplus(all);
  }

  void miss(residents& all, const request& what) {
    auto left = ghosts_.take(what.hash);
    while (all.lacks_room(what.size))
      evict(all);
    auto low = all.of(settled).weight + what.size <= settled_limit(all)
               || (left && in_stack(all, *left));
    all.add(what, low ? settled : young);
    if (low)
      demote_surplus(all);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return ghosts_.memory_bytes();
  }

private:
  // Most that one request demotes, as another order may leave many.
  static constexpr int max_demotions = 4;

  [[nodiscard]] std::uint64_t
  settled_limit(const residents& all) const noexcept {
    return all.limit() - share(all.limit(), young_part_);
  }

  [[nodiscard]] static bool in_stack(const residents& all,
                                     std::uint32_t time) noexcept {
    auto oldest = all.of(settled).oldest;
    return oldest != no_node && is_after(time, all.at(oldest).time);
  }

  void evict(residents& all) {
    if (all.of(probation).count != 0) { // another order left it there
      all.remove(all.of(probation).oldest);
      return;
    }
    if (all.of(young).count == 0)
      all.move(all.of(settled).oldest, young);
    auto oldest = all.of(young).oldest;
    if (in_stack(all, all.at(oldest).time)) {
      ghosts_.fit(2 * std::size_t{all.count()});
      ghosts_.put(spread(all.at(oldest).key), all.at(oldest).time);
    }
    all.remove(oldest);
  }

  void demote_surplus(residents& all) noexcept {
    auto& low = all.of(settled);
    for (int i = 0;
         i < max_demotions && low.count > 1 && low.weight > settled_limit(all);
         ++i)
      all.move(low.oldest, young);
  }

  std::uint64_t young_part_;
  ghosts ghosts_;
};

} // namespace neuroplex::memory::policy
