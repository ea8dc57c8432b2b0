#include "tests/sim/kernel.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

void kernel::at(nanoseconds when, action what) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(actions_.size());
    actions_.push_back(std::move(what));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    actions_[slot] = std::move(what);
  }
  heap_.push_back({std::max(when, now_), next_order_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool kernel::run_until(nanoseconds limit) {
  while (!failed() && !heap_.empty() && heap_.front().when <= limit) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const auto next = heap_.back();
    heap_.pop_back();
    now_ = next.when;
    if (++events_ == max_events) {
      fail("endless: more events than any run of this length has");
    }
    // The action may schedule others, and so move `actions_`.
    const auto what = std::move(actions_[next.slot]);
    actions_[next.slot] = nullptr;
    free_slots_.push_back(next.slot);
    what();
  }
  now_ = std::max(now_, limit);
  return !failed();
}

void kernel::fail(std::string sentence) {
  if (failure_.empty()) {
    tell([&] { return "FAILED: " + sentence; });
    failure_ = std::move(sentence);
  }
}

} // namespace neuroplex::sim
