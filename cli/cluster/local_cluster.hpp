// A cluster of node processes on this machine.
//
// Purpose: plans ports and directories of the nodes, starts them together,
// waits until they are ready, and ends them together. The tour and `neuroplex
// cluster` stand on it.
//
// Ownership and threads: owns the processes and their ports; the base directory
// belongs to the caller. Main thread only.
//
// Invariants: replica ids are 1 to node_count; every node names every other as
// its peer; all listen on 127.0.0.1.
//
// Failure behaviour: when a node does not get ready the first failure is
// answered; the destructor ends whatever runs.
#pragma once

#include "cli/cluster/node_process.hpp"
#include "cli/cluster/reserved_port.hpp"

#include <vector>

namespace neuroplex::cli {

/// Most nodes of a local cluster.
inline constexpr std::uint32_t max_local_nodes = 16;

/// All nodes share the processors of one machine: one that is silent for a
/// second is busy. One that died is noticed by the end of its connections.
inline constexpr std::uint32_t local_patience_ms = 30'000;

struct local_cluster_options {
  std::uint32_t node_count = 3;
  std::string cluster_name = "local";

  /// The `neuroplex` program; see own_program_path().
  std::string program;

  /// Existing directory; node N lives in "<directory>/nN".
  std::string directory;

  /// What all nodes share; identity, directory, ports, peers, and how long a
  /// request and a silence may last are filled in.
  config::node_options common;

  /// True when the nodes shall also serve Redis clients.
  bool resp = false;
};

class local_cluster {
public:
  /// Plans the nodes and starts none. `bad_argument`, `too_many` ports.
  static expected<local_cluster> plan(const local_cluster_options& options);

  /// Starts all nodes and waits until each is ready.
  expected<void> start(std::chrono::milliseconds timeout,
                       const std::function<bool()>& give_up);

  /// Asks all nodes to end at once, then kills what is left after `grace`.
  /// `internal` when one had to be killed or failed, with the end of its log.
  expected<void> stop(std::chrono::milliseconds grace);

  [[nodiscard]] std::vector<node_process>& nodes() noexcept {
    return nodes_;
  }

private:
  local_cluster(std::vector<reserved_port> ports,
                std::vector<node_process> nodes)
    : ports_{std::move(ports)}, nodes_{std::move(nodes)} {
  }

  std::vector<reserved_port> ports_;
  std::vector<node_process> nodes_;
};

} // namespace neuroplex::cli
