// A program of ours, started, watched and ended by its process id.
//
// Purpose: the tour and `neuroplex cluster` run nodes as processes of their
// own. A child never outlives its parent: the kernel kills it when the parent
// dies, whatever the parent dies of.
//
// Ownership and threads: the object owns the process; its destructor kills and
// reaps it. One thread. `start` must be called by a thread that lives as long
// as the child shall, best the main thread: the kernel ties the child to the
// thread that started it.
//
// Invariants:
//  1. A child is reaped exactly once; no signal is sent to a reaped id.
//  2. A child is in a process group of its own, so that Ctrl-C at the terminal
//     reaches the parent alone.
//  3. No variable named NEUROPLEX_* is inherited: settings come from the
//     arguments alone.
//
// Failure behaviour: `bad_path` when the program or the log file cannot be
// opened, `io` when no process can be made.
#pragma once

#include "memory/status.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace neuroplex::cli {

struct child_command {
  /// The program's path, then its arguments.
  std::vector<std::string> arguments;

  /// File that standard input is read from.
  std::string input_path = "/dev/null";

  /// File that standard output is appended to; made when absent.
  std::string output_path;

  /// The same for standard error; empty: where standard output goes.
  std::string error_path;
};

/// How a process ended: by an exit status or by a signal.
struct child_exit {
  int status = 0;
  int signal = 0; ///< 0 when it exited by itself

  [[nodiscard]] bool ok() const noexcept {
    return signal == 0 && status == 0;
  }

  /// "exit status 3" or "signal 9".
  [[nodiscard]] std::string to_string() const;
};

class child_process {
public:
  static expected<child_process> start(const child_command& command);

  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept {
    return pid_;
  }

  /// Nothing while the process runs; how it ended afterwards.
  std::optional<child_exit> poll();

  /// Waits until it ends or `timeout` is over.
  std::optional<child_exit> wait(std::chrono::milliseconds timeout);

  /// Asks it to end with SIGTERM, once: to many programs a second signal means
  /// to drop everything.
  void ask_to_stop();

  /// Asks it to end unless it was asked before; kills it when `grace` is over.
  child_exit stop(std::chrono::milliseconds grace);

  /// Ends it with SIGKILL, as a crash would, and reaps it.
  child_exit kill();

private:
  explicit child_process(pid_t pid) noexcept : pid_{pid} {
  }

  child_exit reap();

  pid_t pid_ = -1;
  bool asked_ = false;
  std::optional<child_exit> exit_;
};

/// The path of the running program, for starting more of it.
[[nodiscard]] expected<std::string> own_program_path();

} // namespace neuroplex::cli
