// How tests wait: for a condition, under a deadline.
#pragma once

#include <chrono>
#include <thread>

namespace neuroplex::memory::testing {

/// Waits until `condition()` holds; false when `limit` passed first.
template <class Condition>
bool eventually(Condition&& condition,
                std::chrono::milliseconds limit = std::chrono::seconds{20}) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace neuroplex::memory::testing
