// How tests wait: for a condition, under a deadline.
#pragma once

#include <chrono>
#include <thread>

namespace neuroplex::memory::testing {

/// Waits until `condition()` holds; false when `limit` passed first. The limit
/// is for what never comes: a busy machine may take long for anything.
template <class Condition>
bool eventually(Condition&& condition,
                std::chrono::milliseconds limit = std::chrono::seconds{60}) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace neuroplex::memory::testing
