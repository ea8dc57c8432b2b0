// One node of a local cluster as a process: its directory, start, readiness
// and end.
//
// Purpose: knows how `neuroplex serve` is told its settings (a file), how it
// says that it is ready (another file), and where it logs.
//
// Ownership and threads: owns the process; the directory belongs to the caller
// and survives, so that a node may be started in it again. Main thread only
// (child_process.hpp tells why).
//
// Invariants: files in the directory: "node.json" (settings), "ready.json"
// (there while the node is ready), "node.log", and the node's segment and lock.
//
// Failure behaviour: a node that ends before it is ready, or is not ready in
// time, answers `unavailable` with the last lines of its log.
#pragma once

#include "cli/cluster/child_process.hpp"
#include "config/node_options.hpp"
#include "memory/status.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace neuroplex::cli {

/// The configuration file that `serve --config` reads for these options.
[[nodiscard]] std::string config_file_of(const config::node_options& options);

class node_process {
public:
  /// `options.data_dir` is the node's directory; it is made when absent.
  node_process(std::string program, config::node_options options);

  /// Writes the settings and starts the process. `busy` when it runs already.
  expected<void> start();

  /// Waits until the node is ready. `give_up` is asked now and then; when it
  /// answers true the wait ends with `deadline`.
  expected<void> wait_ready(std::chrono::milliseconds timeout,
                            const std::function<bool()>& give_up);

  /// True while the process runs.
  [[nodiscard]] bool running();

  /// SIGTERM without waiting for the end.
  void ask_to_stop();

  /// SIGTERM, then SIGKILL after `grace`. Exit status ok if it was not running.
  child_exit stop(std::chrono::milliseconds grace);

  /// SIGKILL, as a crash would.
  void kill();

  [[nodiscard]] const config::node_options& options() const noexcept {
    return options_;
  }

  /// Process id of the present or last process, 0 before the first start.
  [[nodiscard]] pid_t pid() const noexcept {
    return child_ ? child_->pid() : 0;
  }

  [[nodiscard]] std::string log_path() const;

  /// The last `max_lines` lines of the log, each after `indent`.
  [[nodiscard]] std::string log_tail(std::size_t max_lines,
                                     std::string_view indent) const;

private:
  [[nodiscard]] std::string ready_path() const;
  [[nodiscard]] failure not_ready(const std::string& what) const;

  std::string program_;
  config::node_options options_;
  std::optional<child_process> child_;
};

} // namespace neuroplex::cli
