// A node: everything one process runs to be part of a cluster.
//
// Purpose: one place that starts, supervises and stops it all: the lock on its
// directory, the segment, the actor system, the actors, the listener for other
// nodes, the tunnel, and the gateway for Redis clients if the options have one.
//
//   auto started = actors::node::start(options);
//   if (!started)
//     return fail(started.error());
//   auto client = actors::client::attach(**started);
//   ...
//   (*started)->stop();
//
// Ownership and threads: owns all of it. `start`, `stop` and the destructor
// belong to one thread; the rest may be called by any. The store may be used
// directly by any thread of the process: that is the nanosecond path.
//
// Invariants:
//  1. At most one node runs on a lock file.
//  2. The listener for actor messages is on a loopback address only.
//  3. After `stop` no thread of the node is left, and the segment stays.
//
// Failure behaviour: `start` answers what went wrong and leaves nothing behind.
// A node whose actors keep dying reports it by `failed`.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/replica_resolvers.hpp"
#include "config/node_options.hpp"
#include "consensus/placement/placement.hpp"
#include "memory/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace neuroplex::actors {

class node {
public:
  /// `config`, `locked`, or any code of memory::open_or_create_checked; `io`
  /// when a port is taken, `bad_path` or `denied` for a secret's file.
  /// `resolvers` are those that namespaces with replicas name.
  static expected<std::unique_ptr<node>>
  start(config::node_options options, const replica_resolvers& resolvers = {});

  node(const node&) = delete;
  node& operator=(const node&) = delete;
  ~node();

  /// Stops everything in order. Idempotent. What does not stop within
  /// timeouts.shutdown_ms is killed.
  void stop() noexcept;

  /// The node as other actors of this process ask it.
  [[nodiscard]] const node_actor& handle() const noexcept;

  /// The segment, for direct use by this process. Keys of other nodes are not
  /// in it, and a key written past its owner is not found by the others.
  [[nodiscard]] memory::store& store() noexcept;

  [[nodiscard]] const placement::placement_ptr& table() const noexcept;
  [[nodiscard]] const config::node_options& options() const noexcept;
  [[nodiscard]] caf::actor_system& system() noexcept;

  /// Port for actor messages on basp.host.
  [[nodiscard]] std::uint16_t basp_port() const noexcept;

  /// Port of the tunnel on tunnel.host; 0 when it is off or has no peers.
  [[nodiscard]] std::uint16_t tunnel_port() const noexcept;

  /// Port for Redis clients on resp.host; 0 when there is no gateway.
  [[nodiscard]] std::uint16_t resp_port() const noexcept;

  [[nodiscard]] std::uint64_t incarnation() const noexcept;

  /// What was in the segment as the node started.
  [[nodiscard]] const start_report& found() const noexcept;

  /// State of the node and its peers. `unknown_outcome` when it does not answer
  /// in time.
  [[nodiscard]] expected<node_report> report();

  /// Why the node gave up on one of its actors, once it did.
  [[nodiscard]] std::optional<failure> failed() const;

private:
  class implementation;

  explicit node(std::unique_ptr<implementation> inside);

  std::unique_ptr<implementation> inside_;
};

/// The table that the options describe: this node and its peers.
[[nodiscard]] expected<placement::placement_ptr>
make_table(const config::node_options& options);

} // namespace neuroplex::actors
