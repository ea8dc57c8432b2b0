// A network that loses, delays, duplicates, reorders, and falls apart.
//
// Purpose: carries closures from one end point to another. It knows nothing of
// what they say, so that every protocol may use it. Which faults it has, and
// how often, is told by the run's plan; links are cut and mended by whoever
// plays the bad part (`nemesis`).
//
// Threads: none; belongs to the kernel.
//
// Invariants:
//  1. Nothing is delivered before it was sent, nor at an end point that it was
//     not sent to.
//  2. Without the fault of reordering, a link delivers in the order of sending.
//  3. A message that left before a link was cut may still arrive.
#pragma once

#include "tests/sim/kernel.hpp"
#include "tests/sim/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace neuroplex::sim {

class network {
public:
  using end_point = std::uint32_t;
  using delivery = std::function<void()>;

  network(kernel& world, const plan& faults);

  /// `accept` runs what arrives, now or later, or drops it.
  end_point add(std::function<void(delivery)> accept);

  /// May run `arrive` at the other end: never, once, or several times.
  void send(end_point from, end_point to, delivery arrive);

  void cut(end_point from, end_point to);
  void mend(end_point from, end_point to);
  void mend_all();
  [[nodiscard]] bool is_cut(end_point from, end_point to) const noexcept;

  /// No fault from now on, and every link mended.
  void calm();

  struct counts {
    std::uint64_t sent = 0;
    std::uint64_t delivered = 0;
    std::uint64_t lost = 0;
    std::uint64_t blocked = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t delayed = 0;
  };

  [[nodiscard]] const counts& seen() const noexcept {
    return counts_;
  }

private:
  struct link {
    bool cut = false;
    nanoseconds last_arrival{0};
  };

  [[nodiscard]] link& between(end_point from, end_point to) noexcept;
  void carry(end_point from, end_point to, delivery arrive);

  kernel& world_;
  plan faults_;
  dice dice_;
  std::vector<std::function<void(delivery)>> accepts_;
  std::vector<std::vector<link>> links_;
  counts counts_;
};

} // namespace neuroplex::sim
