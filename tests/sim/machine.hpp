// A computer of the simulated world: its power, its clocks, its disk.
//
// Purpose: whatever a component does happens "on" a machine: a timer, an answer
// of the disk and a message are dropped when the machine crashed since, and
// wait while it stands still. A component asks `survives` before each effect
// that it carries out, so that a crash can fall between any two of them.
//
// Clocks: `local_now` is monotonic and runs fast or slow by a share drawn at
// the start, with an offset that no two machines share. `wall_now` may jump
// besides.
//
// Threads: none; belongs to the kernel.
//
// Invariants: after `crash` nothing that was scheduled before runs; `on_stop`
// runs exactly once for each `on_start`, and never inside of the component's
// own code.
#pragma once

#include "tests/sim/disk.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/plan.hpp"

#include <cstdint>
#include <deque>
#include <functional>

namespace neuroplex::sim {

class machine {
public:
  using action = std::function<void()>;

  machine(kernel& world, const plan& faults, std::uint32_t number);
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  /// Called when power comes; and after it went.
  action on_start;
  action on_stop;

  [[nodiscard]] std::uint32_t number() const noexcept {
    return number_;
  }

  [[nodiscard]] bool is_up() const noexcept {
    return up_;
  }

  [[nodiscard]] bool is_paused() const noexcept;

  [[nodiscard]] nanoseconds local_now() const noexcept {
    return local_at(world_.now());
  }

  [[nodiscard]] nanoseconds wall_now() const noexcept {
    return local_now() + wall_offset_;
  }

  void jump_wall_clock(nanoseconds by) noexcept {
    wall_offset_ += by;
  }

  /// Runs when the local clock says `local`, if the machine is up till then.
  void at_local(nanoseconds local, action what);

  /// Runs it now, or at the end of a pause; drops it when the machine is down.
  void deliver(action what);

  void start();
  void crash(stop how = stop::power_loss);

  /// Nothing runs on it for a while; its clocks go on.
  void pause(nanoseconds length);
  void end_pause();

  /// Asked before each effect. When false the machine has just crashed, and the
  /// component must return at once.
  [[nodiscard]] bool survives();

  /// No crash between effects from now on, and a disk without faults.
  void calm();

  [[nodiscard]] disk& storage() noexcept {
    return disk_;
  }

  [[nodiscard]] std::uint64_t crashes() const noexcept {
    return crashes_;
  }

private:
  [[nodiscard]] nanoseconds local_at(nanoseconds when) const noexcept;
  void tell_stopped();

  kernel& world_;
  std::uint32_t number_;
  dice dice_;
  std::uint32_t crash_ppm_;
  std::int64_t drift_ppm_ = 0;
  nanoseconds offset_{0};
  nanoseconds wall_offset_{0};
  nanoseconds paused_until_{0};
  std::uint64_t life_ = 0; ///< counts starts and stops
  std::uint64_t crashes_ = 0;
  bool up_ = false;
  bool stop_untold_ = false;
  std::deque<action> waiting_; ///< for the end of a pause
  disk disk_;
};

} // namespace neuroplex::sim
