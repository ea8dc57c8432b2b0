// Ctrl-C as a question that loops ask, so that everything is put away.
//
// Purpose: a command with children and scratch files must unwind when it is
// interrupted. While an `interrupt_guard` lives, SIGINT, SIGTERM and SIGHUP
// only set a flag; loops ask `requested()` and leave.
//
// Ownership and threads: at most one guard a process, made and destroyed by the
// main thread; `requested()` may be called by any thread.
//
// Invariants: a second signal ends the process as it would without us; the
// dispositions from before are back when the guard is gone.
#pragma once

#include <chrono>

namespace neuroplex::cli {

/// How often loops that wait for nothing else ask.
inline constexpr std::chrono::milliseconds watch_interval{50};

class interrupt_guard {
public:
  interrupt_guard();
  interrupt_guard(const interrupt_guard&) = delete;
  interrupt_guard& operator=(const interrupt_guard&) = delete;
  ~interrupt_guard();

  /// True once a signal has come.
  [[nodiscard]] static bool requested() noexcept;

  /// The signal that came first, or 0. By custom a command that was
  /// interrupted exits with 128 + its number.
  [[nodiscard]] static int signal_number() noexcept;
};

/// Ends the process by the signal that interrupted it, as its parent expects.
/// To be called when everything is put away and no guard lives any more.
void end_by_signal(int number);

} // namespace neuroplex::cli
