// Nodes as child processes, for tests.
//
// Purpose: starts actors_node_program on loopback ports of its own, stops,
// freezes and kills it, and waits for conditions with deadlines.
//
// Ownership and threads: one thread; the destructor kills what still runs and
// removes its directories. A child dies with its parent.
#pragma once

#include "actors/client.hpp"
#include "memory/eventually.test.hpp"
#include "memory/reserved_port.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::tests {

using namespace std::chrono_literals;

using memory::testing::eventually;

/// How long nodes and clients bear silence unless a test says otherwise. It is
/// longer than `eventually` waits, so that what is seen there came by itself.
constexpr std::uint32_t patience_ms = 300'000;

class cluster {
public:
  /// Chooses ports and directories for nodes 1 to `count`; starts none.
  explicit cluster(std::uint32_t count,
                   std::uint32_t connection_timeout_ms = patience_ms);
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;
  ~cluster();

  /// Starts a node and waits until it serves. `name` is the cluster's.
  bool start(std::uint32_t id, const std::string& name = "test");
  bool start_all();

  /// All nodes have met all others.
  bool await_meetings();

  /// Closes its input and waits for its end; the exit status, or -1 when it
  /// does not end by itself.
  int stop(std::uint32_t id);
  void signal(std::uint32_t id, int number);

  /// SIGKILL, and waits for the end.
  void kill(std::uint32_t id);

  [[nodiscard]] actors::client
  client_of(std::uint32_t id, const actors::client_options& options = {
                                .request_timeout_ms = patience_ms}) const;

  [[nodiscard]] std::uint16_t port(std::uint32_t id) const;
  [[nodiscard]] std::string directory(std::uint32_t id) const;
  [[nodiscard]] std::uint32_t size() const;
  [[nodiscard]] pid_t process(std::uint32_t id) const;

  /// A key that node `owner` owns; another one for each `number`.
  [[nodiscard]] std::string key_of(std::uint32_t owner,
                                   std::uint32_t number = 0) const;

  /// What a node wrote to standard error in a start that failed.
  [[nodiscard]] const std::string& complaint() const {
    return complaint_;
  }

private:
  struct process_record {
    memory::testing::reserved_port port;
    pid_t pid = 0;
    int input = -1;
  };

  std::uint32_t connection_timeout_ms_;
  memory::testing::temporary_directory root_;
  std::map<std::uint32_t, process_record> nodes_;
  std::string complaint_;
};

/// Resident memory of a process, in bytes.
std::uint64_t resident_bytes(pid_t process);

} // namespace neuroplex::tests
