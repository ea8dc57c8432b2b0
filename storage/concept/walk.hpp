// What the searches share: which associations to follow, when to stop, and a
// work area that needs no clearing.
//
// Threads: one each.
#pragma once

#include "storage/concept/query.hpp"

#include <limits>

namespace neuroplex::concepts {

/// Counts what is looked at, and says when a bound is met.
class walk_budget {
public:
  explicit walk_budget(const query_bounds& bounds)
    : left_{bounds.max_visited}, end_{std::chrono::steady_clock::now()
                                      + bounds.max_time} {
  }

  /// Whether one more concept may be looked at.
  bool spend() noexcept {
    if (hit_ != bound_hit::none)
      return false;
    if (left_ == 0) {
      hit_ = bound_hit::visited;
      return false;
    }
    --left_;
    ++spent_;
    // The clock costs more than a step.
    constexpr std::uint64_t steps_a_look = 256;
    if (spent_ % steps_a_look == 0 && std::chrono::steady_clock::now() > end_)
      hit_ = bound_hit::time;
    return hit_ == bound_hit::none;
  }

  [[nodiscard]] bound_hit hit() const noexcept {
    return hit_;
  }
  [[nodiscard]] std::uint64_t spent() const noexcept {
    return spent_;
  }

private:
  std::uint64_t left_;
  std::uint64_t spent_ = 0;
  bound_hit hit_ = bound_hit::none;
  std::chrono::steady_clock::time_point end_;
};

/// Calls `visit(edge, is_out)` with each association that the options follow
/// from a concept, until it answers false.
template <class Visit>
bool follow(const concept_record& from, const walk_options& options,
            direction way, Visit&& visit) {
  auto run = [&](const edge_block* list, bool is_out) {
    return edge_list::for_each(list, [&](const edge& each) {
      if (each.weight < options.min_weight || !options.types.takes(each.type))
        return true;
      return static_cast<bool>(visit(each, is_out));
    });
  };
  return (way == direction::in || run(from.out, true))
         && (way == direction::out || run(from.in, false));
}

/// The other way.
[[nodiscard]] constexpr direction reversed(direction way) noexcept {
  switch (way) {
    case direction::out:
      return direction::in;
    case direction::in:
      return direction::out;
    case direction::any:
      break;
  }
  return direction::any;
}

/// For each concept whether a search came there, from which of two sides, and
/// from where. A search begins with another number, so that nothing is cleared.
class visit_marks {
public:
  static constexpr concept_slot none = std::numeric_limits<concept_slot>::max();

  /// This thread's, ready for a search among `concepts`.
  static visit_marks& begin(std::uint32_t concepts) {
    thread_local visit_marks marks;
    if (marks.marks_.size() < concepts)
      marks.marks_.resize(concepts);
    marks.search_ += 2;
    if (marks.search_ == 0) {
      std::fill(marks.marks_.begin(), marks.marks_.end(), mark{});
      marks.search_ = 2;
    }
    return marks;
  }

  /// 0 or 1: the side that was there; 2: none.
  [[nodiscard]] unsigned side(concept_slot at) const noexcept {
    auto distance = marks_[at].search - search_;
    return distance < 2 ? distance : 2;
  }
  [[nodiscard]] concept_slot parent(concept_slot at) const noexcept {
    return marks_[at].parent;
  }
  void set(concept_slot at, unsigned side, concept_slot parent) noexcept {
    marks_[at] = {search_ + side, parent};
  }
  void prefetch(concept_slot at) const noexcept {
    __builtin_prefetch(&marks_[at]);
  }

private:
  struct mark {
    std::uint32_t search = 0;
    concept_slot parent = 0;
  };

  std::vector<mark> marks_;
  std::uint32_t search_ = 0;
};

} // namespace neuroplex::concepts
