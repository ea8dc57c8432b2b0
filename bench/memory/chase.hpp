// The yardstick D: what one dependent random miss of the caches costs.
//
// Purpose: a walk through memory far larger than the caches, on huge pages, in
// which each line names the next. Figures in multiples of D can be compared
// between machines; nanoseconds cannot.
//
// Threads: one.
#pragma once

#include "bench/memory/machine.hpp"

#include <cstddef>
#include <cstdint>

namespace neuroplex::bench {

class pointer_chase {
public:
  /// `bytes` is rounded down to a power of two, at least 4 KiB.
  explicit pointer_chase(std::size_t bytes);

  /// Nanoseconds a step, over about `seconds`.
  double measure_ns(double seconds);

  [[nodiscard]] std::size_t bytes() const noexcept {
    return memory_.bytes();
  }

private:
  huge_memory memory_;
  std::uint64_t position_ = 0;
};

} // namespace neuroplex::bench
