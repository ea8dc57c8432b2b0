#include "cli/terminal/interrupt.hpp"

#include "memory/status.hpp"

#include <array>
#include <atomic>
#include <csignal>

namespace neuroplex::cli {

namespace {

constexpr std::array<int, 3> watched_signals{SIGINT, SIGTERM, SIGHUP};

// Written by the handler, so lock-free atomics only.
std::atomic<int> first_signal{0};
std::atomic<bool> guard_lives{false};
std::array<struct sigaction, watched_signals.size()> previous_actions{};

static_assert(std::atomic<int>::is_always_lock_free);

// Relaxed: the flag stands for itself, no other data is published with it.
void remember(int number) {
  int none = 0;
  first_signal.compare_exchange_strong(none, number, std::memory_order_relaxed);
}

} // namespace

interrupt_guard::interrupt_guard() {
  NEUROPLEX_ENSURE(!guard_lives.exchange(true));
  first_signal.store(0, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = remember;
  // Once only: the second signal meets the default. No SA_RESTART, so that a
  // blocking call returns and the caller looks at the flag.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < watched_signals.size(); ++i) {
    ::sigaction(watched_signals[i], nullptr, &previous_actions[i]);
    // What was ignored (by nohup) stays ignored.
    if (previous_actions[i].sa_handler != SIG_IGN)
      ::sigaction(watched_signals[i], &action, nullptr);
  }
}

interrupt_guard::~interrupt_guard() {
  for (std::size_t i = 0; i < watched_signals.size(); ++i)
    ::sigaction(watched_signals[i], &previous_actions[i], nullptr);
  guard_lives.store(false);
}

bool interrupt_guard::requested() noexcept {
  return signal_number() != 0;
}

int interrupt_guard::signal_number() noexcept {
  return first_signal.load(std::memory_order_relaxed);
}

void end_by_signal(int number) {
  NEUROPLEX_ENSURE(!guard_lives.load());
  ::signal(number, SIG_DFL);
  ::raise(number);
}

} // namespace neuroplex::cli
