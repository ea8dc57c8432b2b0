// Who does bad things to the machines, and in the end lets them be.
//
// Purpose: at a pace that the plan draws, one deed after the other among the
// kinds that the run has: links are cut in several shapes, machines crash,
// stop, pause, run out of room, have their wall clocks set. A component adds
// deeds of its own. `end` mends everything at one moment, from which the time
// to recover is counted.
//
// Threads: none; belongs to the kernel.
//
// Invariants: after `end` all machines run, all links work, and no fault of the
// plan strikes again.
#pragma once

#include "tests/sim/kernel.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/network.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace neuroplex::sim {

class nemesis {
public:
  /// The end point of a machine is its number.
  nemesis(kernel& world, const plan& faults, network& links,
          std::vector<machine*> machines);

  void add_deed(fault kind, std::function<void(dice&)> deed);

  void begin();
  void end();

  [[nodiscard]] std::uint64_t deeds() const noexcept {
    return done_;
  }

private:
  void step();
  void restart_some();
  machine& any_machine();
  void split();
  void cut_one_way();
  void cut_some_pairs();
  void undo_later(std::function<void()> undo);

  kernel& world_;
  plan faults_;
  network& links_;
  std::vector<machine*> machines_;
  dice dice_;
  std::vector<std::function<void(dice&)>> deeds_;
  std::uint64_t done_ = 0;
  bool active_ = false;
};

} // namespace neuroplex::sim
