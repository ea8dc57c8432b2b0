#include "storage/concept/walk.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::concepts {

namespace {

/// Two searches that grow level by level towards each other. Each level is
/// finished on one side before the other goes on, so the first concept that
/// both came to lies on a path of the fewest associations.
class two_ended_search {
public:
  two_ended_search(const graph_version& in, const walk_options& options)
    : graph_{in}, options_{options}, budget_{options.bounds},
      marks_{visit_marks::begin(in.records.size())} {
  }

  path_result run(concept_slot from, concept_slot to) {
    path_result result;
    if (from == to) {
      result.best.steps.push_back({from, {}, true});
      return result;
    }
    marks_.set(from, 0, visit_marks::none);
    marks_.set(to, 1, visit_marks::none);
    fronts_[0] = {from};
    fronts_[1] = {to};
    auto max_depth = std::min(options_.bounds.max_depth, limits::max_depth);
    for (unsigned depth = 0; !met_; ++depth) {
      auto side = work_of(0) <= work_of(1) ? 0U : 1U;
      if (fronts_[side].empty())
        break;
      if (depth == max_depth) {
        result.hit = bound_hit::depth;
        break;
      }
      if (!grow(side))
        break;
    }
    if (met_)
      result.best = joined();
    else if (budget_.hit() != bound_hit::none)
      result.hit = budget_.hit();
    result.visited = budget_.spent();
    return result;
  }

private:
  /// Associations that a side's next level looks at.
  [[nodiscard]] std::uint64_t work_of(unsigned side) const noexcept {
    std::uint64_t work = 0;
    for (auto slot : fronts_[side]) {
      const auto& record = graph_.records[slot];
      auto way = way_of(side);
      if (way != direction::in)
        work += record.out_count;
      if (way != direction::out)
        work += record.in_count;
    }
    return work;
  }

  [[nodiscard]] direction way_of(unsigned side) const noexcept {
    return side == 0 ? options_.way : reversed(options_.way);
  }

  bool grow(unsigned side) {
    next_.clear();
    auto& front = fronts_[side];
    for (std::size_t i = 0; i < front.size(); ++i) {
      if (!budget_.spend())
        return false;
      auto here = front[i];
      auto on = follow(
        graph_.records[here], options_, way_of(side),
        [&](const edge& each, bool) { return look(side, here, each.other); });
      if (!on)
        return true;
    }
    front.swap(next_);
    return true;
  }

  /// Answers false when the sides have met.
  bool look(unsigned side, concept_slot here, concept_slot there) {
    auto was = marks_.side(there);
    if (was == side)
      return true;
    if (was != 2) {
      met_ = true;
      ends_[side] = here;
      ends_[1 - side] = there;
      return false;
    }
    marks_.set(there, side, here);
    next_.push_back(there);
    return true;
  }

  [[nodiscard]] path joined() const {
    std::vector<concept_slot> slots;
    for (auto at = ends_[0]; at != visit_marks::none; at = marks_.parent(at))
      slots.push_back(at);
    std::reverse(slots.begin(), slots.end());
    for (auto at = ends_[1]; at != visit_marks::none; at = marks_.parent(at))
      slots.push_back(at);
    path result;
    result.cost = static_cast<double>(slots.size() - 1);
    result.steps.push_back({slots[0], {}, true});
    for (std::size_t i = 1; i < slots.size(); ++i)
      result.steps.push_back(step_between(slots[i - 1], slots[i]));
    return result;
  }

  [[nodiscard]] path_step step_between(concept_slot from,
                                       concept_slot to) const {
    path_step step{to, {}, true};
    follow(graph_.records[from], options_, options_.way,
           [&](const edge& each, bool is_out) {
             if (each.other != to)
               return true;
             step.by = each;
             step.is_out = is_out;
             return false;
           });
    return step;
  }

  const graph_version& graph_;
  const walk_options& options_;
  walk_budget budget_;
  visit_marks& marks_;
  std::array<std::vector<concept_slot>, 2> fronts_;
  std::vector<concept_slot> next_;
  std::array<concept_slot, 2> ends_{};
  bool met_ = false;
};

} // namespace

path_result find_path(const graph_version& in, concept_slot from,
                      concept_slot to, const walk_options& options) {
  return two_ended_search{in, options}.run(from, to);
}

} // namespace neuroplex::concepts
