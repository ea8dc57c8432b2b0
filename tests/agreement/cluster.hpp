// Nodes as processes, each with its directory, that can be started, stopped,
// asked and made to fail.
//
// Ownership and threads: owns the processes, their directories, small disks and
// network. One thread; what is const may be asked by all.
//
// Failure behaviour: the program fails (checks.hpp).
#pragma once

#include "cli/cluster/child_process.hpp"
#include "memory/reserved_port.test.hpp"
#include "tests/agreement/network.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::tests {

struct cluster_options {
  std::string program;
  std::string agreement = "raft";
  std::size_t nodes = 3;
  std::size_t groups = 1;
  bool own_network = false; ///< in which connections can be cut
  bool hosts = false;       ///< a host a node, and the tunnel between them
  bool small_disks = false; ///< that can be filled
};

/// A directory on a disk, removed at the end.
class scratch {
public:
  scratch();
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch();

  [[nodiscard]] const std::string& path() const {
    return path_;
  }

private:
  std::string path_;
};

/// A disk in memory on which two segments of the log fit, and little else.
class small_disk {
public:
  explicit small_disk(std::string path);
  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;
  ~small_disk();

private:
  std::string path_;
};

class agreeing_cluster {
public:
  /// Starts all nodes.
  explicit agreeing_cluster(const cluster_options& how);
  agreeing_cluster(const agreeing_cluster&) = delete;
  agreeing_cluster& operator=(const agreeing_cluster&) = delete;

  void start(std::size_t which);

  void send(std::size_t which, int number);

  /// Ends a node as an operator does: not while it begins, when a signal ends
  /// it at once.
  void stop(std::size_t which);

  /// Asks node `by` for a change; false when it is refused.
  bool raft(const std::string& words, std::size_t by) const;

  /// What node `of` says of its part in agreement, as JSON.
  [[nodiscard]] std::string status(std::size_t of) const;

  /// Who leads, as some node knows it; `size()` for nobody.
  [[nodiscard]] std::size_t leader() const;

  [[nodiscard]] std::string output(std::size_t which) const;

  [[nodiscard]] std::string raft_directory(std::size_t which) const {
    return home_of(which) + "/raft";
  }

  [[nodiscard]] std::uint16_t raft_port(std::size_t which) const {
    return raft_[which].number();
  }

  /// On the loopback interface of the node's host.
  [[nodiscard]] std::uint16_t resp_port(std::size_t which) const {
    return resp_[which].number();
  }

  [[nodiscard]] std::size_t size() const {
    return basp_.size();
  }

  [[nodiscard]] const network& net() const {
    return network_;
  }

private:
  [[nodiscard]] std::string home_of(std::size_t which) const {
    return room_.path() + "/node-" + std::to_string(which + 1);
  }

  [[nodiscard]] std::string certificates() const {
    return room_.path() + "/certificates";
  }

  void make_certificates() const;

  cluster_options how_;
  scratch room_;
  network network_;
  std::vector<std::unique_ptr<small_disk>> disks_;
  std::vector<memory::testing::reserved_port> basp_;
  std::vector<memory::testing::reserved_port> tunnel_;
  std::vector<memory::testing::reserved_port> resp_;
  std::vector<memory::testing::reserved_port> raft_;
  std::vector<std::optional<cli::child_process>> processes_;
};

} // namespace neuroplex::tests
