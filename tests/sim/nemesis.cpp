#include "tests/sim/nemesis.hpp"

#include <utility>

namespace neuroplex::sim {

using namespace std::chrono_literals;

nemesis::nemesis(kernel& world, const plan& faults, network& links,
                 std::vector<machine*> machines)
  : world_{world}, faults_{faults}, links_{links},
    machines_{std::move(machines)}, dice_{world.stream("nemesis")} {
  add_deed(fault::partition, [this](dice&) { split(); });
  add_deed(fault::one_way, [this](dice&) { cut_one_way(); });
  add_deed(fault::partial, [this](dice&) { cut_some_pairs(); });
  add_deed(fault::crash, [this](dice& thrown) {
    any_machine().crash(thrown.coin() ? stop::power_loss : stop::kill);
  });
  add_deed(fault::pause, [this](dice& thrown) {
    any_machine().pause(thrown.mostly_low(1ms, faults_.longest_fault));
  });
  add_deed(fault::full_disk, [this](dice&) {
    auto& victim = any_machine();
    victim.storage().set_full(true);
    undo_later([&victim] { victim.storage().set_full(false); });
  });
  add_deed(fault::clock_jump, [this](dice& thrown) {
    const auto by = thrown.between(0ns, 2h) - nanoseconds{1h};
    any_machine().jump_wall_clock(by);
  });
}

void nemesis::add_deed(fault kind, std::function<void(dice&)> deed) {
  if (faults_.kinds.has(kind)) {
    deeds_.push_back(std::move(deed));
  }
}

void nemesis::begin() {
  active_ = true;
  world_.after(dice_.between(0ns, 2 * faults_.nemesis_pace),
               [this] { step(); });
}

void nemesis::step() {
  if (!active_) {
    return;
  }
  restart_some();
  if (!deeds_.empty()) {
    ++done_;
    deeds_[dice_.below(deeds_.size())](dice_);
  }
  world_.after(dice_.between(0ns, 2 * faults_.nemesis_pace),
               [this] { step(); });
}

void nemesis::restart_some() {
  for (auto* one : machines_) {
    if (!one->is_up() && dice_.coin()) {
      one->start();
    }
  }
}

machine& nemesis::any_machine() {
  return *machines_[dice_.below(machines_.size())];
}

void nemesis::undo_later(std::function<void()> undo) {
  world_.after(dice_.mostly_low(1ms, faults_.longest_fault), std::move(undo));
}

void nemesis::split() {
  world_.note("split");
  std::vector<bool> side(machines_.size());
  for (std::size_t number = 0; number < side.size(); ++number) {
    side[number] = dice_.coin();
  }
  for (const auto* a : machines_) {
    for (const auto* b : machines_) {
      if (side[a->number()] != side[b->number()]) {
        links_.cut(a->number(), b->number());
      }
    }
  }
  undo_later([this] { links_.mend_all(); });
}

void nemesis::cut_one_way() {
  const auto& victim = any_machine();
  const auto inwards = dice_.coin();
  world_.note("cut one way", victim.number(), inwards ? 1 : 0);
  for (const auto* other : machines_) {
    if (inwards) {
      links_.cut(other->number(), victim.number());
    } else {
      links_.cut(victim.number(), other->number());
    }
  }
  undo_later([this] { links_.mend_all(); });
}

void nemesis::cut_some_pairs() {
  world_.note("cut some pairs");
  for (const auto* a : machines_) {
    for (const auto* b : machines_) {
      if (a->number() < b->number() && dice_.coin()) {
        links_.cut(a->number(), b->number());
        links_.cut(b->number(), a->number());
      }
    }
  }
  undo_later([this] { links_.mend_all(); });
}

void nemesis::end() {
  active_ = false;
  links_.calm();
  for (auto* one : machines_) {
    one->calm();
    one->start();
  }
  world_.note("all is mended");
}

} // namespace neuroplex::sim
