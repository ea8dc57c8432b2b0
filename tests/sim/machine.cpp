#include "tests/sim/machine.hpp"

#include <utility>

namespace neuroplex::sim {

namespace {

constexpr std::int64_t million = 1'000'000;

} // namespace

machine::machine(kernel& world, const plan& faults, std::uint32_t number)
  : world_{world}, number_{number}, dice_{world.stream("machine", number)},
    crash_ppm_{faults.crash_at_effect_ppm}, disk_{world, faults, number,
                                                  [this](action what) {
                                                    deliver(std::move(what));
                                                  }} {
  const auto drift = static_cast<std::uint64_t>(faults.most_drift_ppm);
  drift_ppm_ = static_cast<std::int64_t>(dice_.between(0, 2 * drift))
               - static_cast<std::int64_t>(drift);
  offset_ = dice_.between(std::chrono::seconds{1}, std::chrono::hours{1});
}

nanoseconds machine::local_at(nanoseconds when) const noexcept {
  return offset_ + when
         + nanoseconds{when.count() / million * drift_ppm_
                       + when.count() % million * drift_ppm_ / million};
}

bool machine::is_paused() const noexcept {
  return paused_until_ > world_.now();
}

void machine::at_local(nanoseconds local, action what) {
  const auto left = local - local_now();
  auto wait = nanoseconds{0};
  if (left.count() > 0) {
    // Rounded up, so that the local clock has got there.
    wait = nanoseconds{left.count() / (million + drift_ppm_) * million
                       + left.count() % (million + drift_ppm_) * million
                           / (million + drift_ppm_)
                       + 2};
  }
  world_.after(wait, [this, life = life_, what = std::move(what)]() mutable {
    if (life == life_) {
      deliver(std::move(what));
    }
  });
}

void machine::deliver(action what) {
  if (!up_) {
    return;
  }
  if (is_paused() || !waiting_.empty()) {
    waiting_.push_back(std::move(what));
    return;
  }
  what();
}

void machine::start() {
  if (up_) {
    return;
  }
  tell_stopped();
  up_ = true;
  ++life_;
  world_.note("start", number_);
  if (on_start) {
    on_start();
  }
}

void machine::crash(stop how) {
  if (!up_) {
    return;
  }
  up_ = false;
  stop_untold_ = true;
  ++life_;
  ++crashes_;
  world_.note("crash", number_, static_cast<std::uint64_t>(how));
  paused_until_ = nanoseconds{0};
  waiting_.clear();
  disk_.crash(how);
  // The component may be on the stack: it goes when that has unwound.
  world_.after(nanoseconds{0}, [this] { tell_stopped(); });
}

void machine::tell_stopped() {
  if (std::exchange(stop_untold_, false) && on_stop) {
    on_stop();
  }
}

void machine::pause(nanoseconds length) {
  if (!up_ || is_paused()) {
    return;
  }
  world_.note("pause", number_, static_cast<std::uint64_t>(length.count()));
  paused_until_ = world_.now() + length;
  world_.at(paused_until_, [this, life = life_] {
    if (life == life_) {
      end_pause();
    }
  });
}

void machine::end_pause() {
  paused_until_ = nanoseconds{0};
  // In the order of arrival. A crash on the way clears the queue.
  while (!waiting_.empty()) {
    const auto what = std::move(waiting_.front());
    waiting_.pop_front();
    what();
  }
}

bool machine::survives() {
  if (up_ && dice_.chance_ppm(crash_ppm_)) {
    crash(dice_.coin() ? stop::power_loss : stop::kill);
  }
  return up_;
}

void machine::calm() {
  crash_ppm_ = 0;
  disk_.calm();
  end_pause();
}

} // namespace neuroplex::sim
