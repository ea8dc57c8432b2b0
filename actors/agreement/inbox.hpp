// What other threads want of a loop.
//
// Purpose: wishes of clients and tasks, until the loop takes them.
//
// Threads: `post` and `submit` by any thread, `take` by the loop's.
//
// Invariants: what was put in before the loop was told is there when it takes;
// the loop is told once, however much comes in before it takes.
//
// Failure behaviour: none. How much may wait is bounded by who asks: each wish
// has a deadline, and is answered before its sender asks for more.
#pragma once

#include "actors/agreement/requester.hpp"

#include <functional>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace neuroplex::agreement {

class inbox {
public:
  using task = std::function<void()>;

  struct content {
    std::vector<wish> wishes{};
    std::vector<task> tasks{};
  };

  /// True when the loop has to be told.
  [[nodiscard]] bool post(task what) {
    std::lock_guard guard{mutex_};
    content_.tasks.push_back(std::move(what));
    return !std::exchange(told_, true);
  }

  /// True when the loop has to be told.
  [[nodiscard]] bool submit(std::vector<wish> what) {
    std::lock_guard guard{mutex_};
    std::move(what.begin(), what.end(), std::back_inserter(content_.wishes));
    return !std::exchange(told_, true);
  }

  [[nodiscard]] content take() {
    std::lock_guard guard{mutex_};
    told_ = false;
    return std::exchange(content_, {});
  }

private:
  std::mutex mutex_; // for the rest
  content content_;
  bool told_ = false;
};

} // namespace neuroplex::agreement
