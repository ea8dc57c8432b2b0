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

#include "cli/cluster/cuttable_links.hpp"
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

  /// The node that `cut_off` shall part from the others; 0: none.
  std::uint32_t may_be_cut_off = 0;
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

  /// Ends what connects one node, `may_be_cut_off`, with the others, until
  /// `reconnect`. Clients still reach it.
  void cut_off() {
    links_->cut();
  }

  void reconnect() {
    links_->mend();
  }

  [[nodiscard]] std::vector<node_process>& nodes() noexcept {
    return nodes_;
  }

private:
  local_cluster(std::vector<reserved_port> ports,
                std::unique_ptr<cuttable_links> links,
                std::vector<node_process> nodes)
    : ports_{std::move(ports)}, links_{std::move(links)}, nodes_{
                                                            std::move(nodes)} {
  }

  std::vector<reserved_port> ports_;
  std::unique_ptr<cuttable_links> links_; // null when no node may be cut off
  std::vector<node_process> nodes_;
};

} // namespace neuroplex::cli
