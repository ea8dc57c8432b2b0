// What every host of a core does alike on a simulated machine.
//
// Purpose: starts the core from what the disk has, feeds it, arms its timer,
// takes its writes to the disk, crashes when the disk fails. What a protocol's
// effects mean is told by the class that derives from it; `Format` is that of
// its records, with the core, its inputs and its effects besides.
//
// Threads: none; belongs to the kernel.
//
// Invariants: all that is lost in a crash is in `life`, which ends with it.
#pragma once

#include "consensus/pbft/input.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/pbft/record_log.hpp"

#include <deque>
#include <memory>
#include <utility>

namespace neuroplex::sim {

struct host_settings {
  bool batches = false; ///< several inputs are absorbed, then one flush
  bool answer_before_sync = false; ///< a mistake on purpose
  bool forget_disk = false;        ///< likewise
};

template <class Format>
class core_host {
public:
  using core = typename Format::core;
  using input = typename Format::input;
  using effects = typename Format::effects;
  using log = record_log<Format>;

  core_host(kernel& world, machine& box, const host_settings& settings,
            const dice& thrown)
    : world_{world}, box_{box}, host_{settings}, dice_{thrown} {
    box_.on_start = [this] { start(); };
    box_.on_stop = [this] {
      ending();
      life_.reset();
    };
  }

  core_host(const core_host&) = delete;
  core_host& operator=(const core_host&) = delete;
  virtual ~core_host() = default;

  void receive(const pbft::packet& what) {
    if (node() != nullptr) {
      feed(pbft::received{what});
    }
  }

  [[nodiscard]] const core* node() const noexcept {
    return life_ ? life_->node.get() : nullptr;
  }

  /// A replica whose disk failed stands still until its machine starts anew.
  void crash_if_stopped() {
    if (node() != nullptr && node()->state().stopped) {
      box_.crash();
    }
  }

  void feed(input what) {
    life_->inputs.push_back(std::move(what));
    if (life_->draining) {
      return;
    }
    life_->draining = true;
    if (host_.batches) {
      box_.at_local(box_.local_now()
                      + dice_.between(nanoseconds{0}, longest_turn),
                    [this] { drain(); });
      return;
    }
    drain();
  }

protected:
  /// A core as the disk remembers it, or the run fails.
  [[nodiscard]] virtual std::unique_ptr<core>
  make(typename Format::state found) = 0;

  /// False if the machine crashed on the way.
  [[nodiscard]] virtual bool carry_out(effects& wanted) = 0;

  /// The machine has stopped; the core is still there.
  virtual void ending() {
  }

  [[nodiscard]] bool write(typename Format::write what) {
    if (!box_.survives()) {
      return false;
    }
    life_->unwritten.push_back(std::move(what));
    if (life_->unwritten.size() == 1) {
      try_writes();
    }
    return true;
  }

  [[nodiscard]] const typename Format::state& durable() const noexcept {
    return life_->records.durable();
  }

  kernel& world_;
  machine& box_;
  std::uint64_t stopped_by_disk_ = 0;

private:
  struct life {
    explicit life(machine& box) : records{box} {
    }

    log records;
    std::unique_ptr<core> node{};
    std::deque<input> inputs{};
    std::deque<typename Format::write> unwritten{};
    bool draining = false;
    nanoseconds armed_for = nanoseconds::max();
  };

  static constexpr nanoseconds longest_turn{500'000};
  static constexpr nanoseconds retry_when_full{5'000'000};
  static constexpr nanoseconds shortest_stop{10'000'000};
  static constexpr nanoseconds longest_stop{200'000'000};

  void start() {
    if (host_.forget_disk) {
      box_.storage().wipe();
    }
    life_ = std::make_unique<life>(box_);
    make_certain(life_->records.load());
  }

  // What was read may be in the memory of the kernel only.
  void make_certain(typename Format::state found) {
    const auto code = life_->records.write_again([this, found](errc result) {
      if (result == errc::ok) {
        begin(found);
      } else {
        crash_soon();
      }
    });
    if (code != errc::ok) {
      box_.at_local(box_.local_now() + retry_when_full,
                    [this, found = std::move(found)] { make_certain(found); });
    }
  }

  void begin(typename Format::state found) {
    life_->node = make(std::move(found));
    if (life_->node) {
      feed(pbft::tick{});
    }
  }

  void drain() {
    effects wanted;
    while (life_ && !life_->inputs.empty()) {
      auto count = host_.batches ? life_->inputs.size() : 1;
      for (; count > 0; --count) {
        life_->node->absorb(life_->inputs.front(), box_.local_now());
        life_->inputs.pop_front();
      }
      life_->node->flush(box_.local_now(), wanted);
      if (!carry_out(wanted)) {
        return; // crashed on the way
      }
    }
    if (life_) {
      life_->draining = false;
      arm();
    }
  }

  void arm() {
    const auto deadline = life_->node->next_deadline();
    if (deadline >= life_->armed_for || deadline == pbft::time::max()) {
      return;
    }
    life_->armed_for = deadline;
    box_.at_local(deadline, [this, deadline] {
      if (life_->armed_for != deadline) {
        return;
      }
      life_->armed_for = nanoseconds::max();
      if (box_.local_now() >= life_->node->next_deadline()) {
        feed(pbft::tick{});
      } else {
        arm();
      }
    });
  }

  void try_writes() {
    while (!life_->unwritten.empty()) {
      const auto id = life_->unwritten.front().id;
      const auto code =
        life_->records.store(life_->unwritten.front(),
                             [this, id](errc result) { written(id, result); });
      if (code != errc::ok) {
        box_.at_local(box_.local_now() + retry_when_full,
                      [this] { try_writes(); });
        return;
      }
      life_->unwritten.pop_front();
      if (host_.answer_before_sync) {
        box_.at_local(box_.local_now(),
                      [this, id] { feed(pbft::persisted{id}); });
      }
    }
  }

  void written(pbft::write_id id, errc code) {
    if (code == errc::ok) {
      feed(pbft::persisted{id});
      return;
    }
    ++stopped_by_disk_;
    world_.note("disk failed", box_.number());
    feed(pbft::persist_failed{});
    crash_soon();
  }

  void crash_soon() {
    box_.at_local(
      box_.local_now() + dice_.between(shortest_stop, longest_stop),
      [this] { box_.crash(dice_.coin() ? stop::power_loss : stop::kill); });
  }

  host_settings host_;
  dice dice_;
  std::unique_ptr<life> life_;
};

} // namespace neuroplex::sim
