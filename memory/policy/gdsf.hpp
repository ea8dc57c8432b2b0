// GDSF: who is worth least a byte leaves; worth is frequency over size, and
// ages.
//
// Purpose: the order for objects of very different sizes, where many small
// objects are worth more hits than one large. An entry's priority is the age of
// the cache at its last use plus its frequency over its size; the cache's age
// is the priority of the last victim.
//
// Source: Cherkasova: "Improving WWW Proxies Performance with
// Greedy-Dual-Size-Frequency Caching Policy", HP Labs, 1998. Two things differ.
// There is no heap: entries of about one size and one frequency are a list, in
// which priorities only grow, so the least of all is the oldest of some list.
// And frequency counts uses before an eviction too, as a sketch remembers them.
//
// Ownership and threads: refers to a sketch that outlives it, and that is fed
// by its owner; else as queues.hpp.
//
// Invariants: a list's oldest entry is the one of its least priority.
//
// Failure behaviour: as queues.hpp.
#pragma once

#include "memory/policy/queues.hpp"
#include "memory/policy/sketch.hpp"

#include <vector>

namespace neuroplex::memory::policy {

class gdsf_order {
public:
  /// Frequencies 1 to 15, and two size classes a doubling.
  static constexpr std::size_t frequency_count = 15;
  static constexpr std::size_t size_class_count = 64;
  static constexpr std::size_t list_count =
    role_count + frequency_count * size_class_count;

  /// One that is never `used` costs no memory.
  gdsf_order(const frequency_sketch& sketch, bool used)
    : sketch_{&sketch}, ages_(used ? age_steps : 0, 0),
      oldest_(used ? list_count : 0) {
  }

  void hit(residents& all, node_index found, const request& what) noexcept {
    note_time(what.now);
    auto& used = all.at(found);
    auto from = used.list;
    note_use(used, what.now);
    auto frequency =
      from < role_count ? remembered(what.hash) : frequency_of(from) + 1;
    all.move(found, list_for(used.size, frequency));
    note_filled(all, from);
    note_filled(all, used.list);
  }

  /// A newcomer of less priority than all who would have to go for it is turned
  /// away, as if it had been taken in and evicted at once.
  void miss(residents& all, const request& what) {
    note_time(what.now);
    auto frequency = remembered(what.hash);
    while (all.lacks_room(what.size)) {
      auto least = find_least(all, false);
      auto own = age_ + worth(frequency, what.size);
      if (own < least.priority) {
        age_ = own;
        return;
      }
      evict(all, least);
    }
    auto list = list_for(what.size, frequency);
    all.add(what, list);
    note_filled(all, list);
  }

  /// Evicts the entry of least priority in the lists of this order, if any.
  bool evict_own(residents& all) noexcept {
    auto least = find_least(all, true);
    if (least.index == no_node)
      return false;
    evict(all, least);
    return true;
  }

  /// To be told when entries left lists of this order by other hands.
  void refresh(const residents& all) noexcept {
    for (std::size_t list = role_count; list < list_count; ++list)
      note_filled(all, list);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return ages_.capacity() * sizeof(double)
           + oldest_.capacity() * sizeof(cached_oldest);
  }

private:
  struct cached_oldest {
    node_index index = no_node;
    double priority = 0;
  };

  struct least_found {
    node_index index = no_node;
    double priority = 0;
  };

  static constexpr std::size_t word_bits = 64;

  // The age of the cache is noted every few requests; an entry finds the one of
  // its last use by its time.
  static constexpr std::uint32_t age_steps = 4096;
  static constexpr unsigned requests_a_step_shift = 5;

  void note_time(std::uint32_t now) noexcept {
    auto step = now >> requests_a_step_shift;
    auto passed = std::min(step - last_step_, age_steps);
    for (std::uint32_t i = 0; i < passed; ++i)
      ages_[(step - i) % age_steps] = age_;
    last_step_ = step;
  }

  [[nodiscard]] double age_at(std::uint32_t time) const noexcept {
    auto step = time >> requests_a_step_shift;
    auto oldest = last_step_ - (age_steps - 1);
    return ages_[(last_step_ - step < age_steps ? step : oldest) % age_steps];
  }

  [[nodiscard]] least_found find_least(const residents& all,
                                       bool own_only) noexcept {
    least_found least;
    if (!own_only)
      for (std::size_t list = 0; list < role_count; ++list)
        look_at(all, list, least);
    for (std::size_t word = 0; word < filled_.size(); ++word)
      for (auto bits = filled_[word]; bits != 0; bits &= bits - 1)
        look_at(all,
                role_count + word * word_bits
                  + static_cast<std::size_t>(std::countr_zero(bits)),
                least);
    return least;
  }

  void evict(residents& all, const least_found& least) noexcept {
    age_ = std::max(age_, least.priority);
    auto list = all.at(least.index).list;
    all.remove(least.index);
    note_filled(all, list);
  }

  // Reading the oldest of each list would touch as many cold nodes, so their
  // priorities are remembered.
  void look_at(const residents& all, std::size_t list,
               least_found& least) noexcept {
    auto index = all.of(list).oldest;
    if (index == no_node)
      return;
    auto& cached = oldest_[list];
    if (cached.index != index || list < role_count)
      cached = {index, priority(all, index)};
    if (least.index == no_node || cached.priority < least.priority)
      least = {index, cached.priority};
  }

  // Keeps the bit of a list that may have become empty or stopped being so, and
  // forgets what its oldest was, who may come back with another time.
  void note_filled(const residents& all, std::size_t list) noexcept {
    if (oldest_[list].index != all.of(list).oldest)
      oldest_[list].index = no_node;
    if (list < role_count)
      return;
    auto bit = std::uint64_t{1} << ((list - role_count) % word_bits);
    auto& word = filled_[(list - role_count) / word_bits];
    word = all.of(list).count == 0 ? word & ~bit : word | bit;
  }

  [[nodiscard]] std::size_t remembered(std::uint64_t hash) const noexcept {
    return std::max(1U, sketch_->estimate(hash));
  }

  [[nodiscard]] static std::size_t frequency_of(std::size_t list) noexcept {
    return (list - role_count) / size_class_count + 1;
  }

  [[nodiscard]] static std::size_t list_for(std::uint32_t size,
                                            std::size_t frequency) noexcept {
    auto bits = static_cast<std::size_t>(std::bit_width(size | 1U));
    auto half = bits > 1 ? size >> (bits - 2) & 1U : 0U;
    return role_count
           + (std::min(frequency, frequency_count) - 1) * size_class_count
           + 2 * (bits - 1) + half;
  }

  [[nodiscard]] static double worth(std::size_t frequency,
                                    std::uint32_t size) noexcept {
    return static_cast<double>(frequency) / static_cast<double>(size);
  }

  [[nodiscard]] double priority(const residents& all,
                                node_index of) const noexcept {
    auto& entry = all.at(of);
    auto frequency =
      entry.list < role_count ? entry.uses + 1U : frequency_of(entry.list);
    return age_at(entry.time) + worth(frequency, entry.size);
  }

  const frequency_sketch* sketch_;
  std::array<std::uint64_t, (list_count - role_count) / word_bits> filled_{};
  std::vector<double> ages_;
  std::vector<cached_oldest> oldest_;
  double age_ = 0;
  std::uint32_t last_step_ = 0;
};

} // namespace neuroplex::memory::policy
