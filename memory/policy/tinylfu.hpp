// W-TinyLFU: a window for newcomers, and a main part that admits by frequency.
//
// Purpose: what leaves the window takes the place of the main part's victim
// only if it was asked for more often of late. A small window resists scans and
// loops; a large one follows recency.
//
// Sources: Einziger, Friedman, Manes: "TinyLFU", ACM ToS 2017; Einziger, Eytan,
// Friedman, Manes: "Adaptive Software Cache Management", Middleware 2018 (the
// window that climbs).
//
// Ownership and threads: refers to a sketch that outlives it, and that is fed
// by its owner; else as queues.hpp.
//
// Invariants, failure behaviour: as queues.hpp.
#pragma once

#include "memory/policy/queues.hpp"
#include "memory/policy/sketch.hpp"

namespace neuroplex::memory::policy {

class tinylfu_order {
public:
  /// The part of the limit for the window, in 1024ths.
  tinylfu_order(std::uint64_t window_part, const frequency_sketch& sketch)
    : window_part_{window_part}, sketch_{&sketch} {
  }

  void set_window_part(std::uint64_t part) noexcept {
    window_part_ = part;
  }

  void hit(residents& all, node_index found, const request& what) noexcept {
    auto& used = all.at(found);
    note_use(used, what.now);
    all.move(found, used.list == young ? young : settled);
    demote_surplus(all);
  }

  void miss(residents& all, const request& what) {
    shift_window(all, what.size);
    while (all.lacks_room(what.size))
      evict(all, what.size);
    all.add(what, young);
  }

private:
  // Most that one request moves, as another order may leave many.
  static constexpr int max_moves = 4;

  [[nodiscard]] std::uint64_t
  window_limit(const residents& all) const noexcept {
    return share(all.limit(), window_part_);
  }

  [[nodiscard]] unsigned frequency(const residents& all,
                                   node_index of) const noexcept {
    return sketch_->estimate(spread(all.at(of).key));
  }

  // The window gives to the main part while there is room for all, and when it
  // has become too large.
  void shift_window(residents& all, std::uint32_t size) noexcept {
    auto& window = all.of(young);
    auto most = window_limit(all);
    for (int i = 0; i < max_moves && window.count != 0; ++i) {
      if (window.weight <= most
          && (window.weight + size <= most || all.lacks_room(size)))
        return;
      all.move(window.oldest, probation);
    }
  }

  void evict(residents& all, std::uint32_t size) noexcept {
    demote_surplus(all);
    auto candidate = all.of(young).oldest;
    auto victim = all.of(probation).count != 0 ? all.of(probation).oldest
                                               : all.of(settled).oldest;
    if (victim == no_node) {
      all.remove(candidate);
    } else if (candidate == no_node
               || all.of(young).weight + size <= window_limit(all)) {
      all.remove(victim);
    } else if (frequency(all, candidate) > frequency(all, victim)) {
      all.remove(victim);
      all.move(candidate, probation);
    } else {
      all.remove(candidate);
    }
  }

  // Four fifths of the main part are protected.
  void demote_surplus(residents& all) noexcept {
    auto& kept = all.of(settled);
    auto most = (all.limit() - window_limit(all)) / 5 * 4;
    for (int i = 0; i < max_moves && kept.count > 1 && kept.weight > most; ++i)
      all.move(kept.oldest, probation);
  }

  std::uint64_t window_part_;
  const frequency_sketch* sketch_;
};

/// Moves a window the way that made the hit ratio better, by steps that shrink;
/// a jump of the hit ratio makes them large again.
class window_climber {
public:
  static constexpr std::uint64_t least_part = 10; // a hundredth
  static constexpr std::uint64_t most_part = 819; // four fifths

  [[nodiscard]] std::uint64_t part() const noexcept {
    return static_cast<std::uint64_t>(part_);
  }

  /// Tells of a request; answers whether the window is to change.
  bool note(bool hit, std::uint64_t resident_count) noexcept {
    hits_ += hit ? 1 : 0;
    if (++requests_ < std::max<std::uint64_t>(10 * resident_count, 1000))
      return false;
    auto ratio = static_cast<double>(hits_) / static_cast<double>(requests_);
    auto change = ratio - last_ratio_;
    if (change < 0)
      step_ = -step_;
    if (change >= restart || change <= -restart)
      step_ = step_ < 0 ? -first_step : first_step;
    else
      step_ *= decay;
    part_ = std::clamp(part_ + step_, double{least_part}, double{most_part});
    last_ratio_ = ratio;
    hits_ = 0;
    requests_ = 0;
    return true;
  }

private:
  static constexpr double first_step = 64; // a sixteenth of the limit
  static constexpr double decay = 0.98;
  static constexpr double restart = 0.05;

  double part_ = least_part;
  double step_ = first_step;
  double last_ratio_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t requests_ = 0;
};

} // namespace neuroplex::memory::policy
