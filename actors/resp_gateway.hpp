// The gateway for Redis clients as a component of a node.
//
// Purpose: makes a RESP server of a node: keys of this node straight from its
// segment, keys of others through the cluster. `resp_gateway` is what outlives
// its actor: the settings, the port that was found, and the figures of all its
// lives. The actor opens it when it starts and closes it when it ends, whatever
// it ends of; the node starts it again.
//
// Ownership and threads: refers to a store that outlives it; owns server and
// threads while open. `open` and `close` block and are for the actor, which has
// a thread of its own; everything else may be called by any thread.
//
// Invariants:
//  1. Opened again it listens on the port that it had the first time, also when
//     the system chose that one.
//  2. Figures never go back, whatever its actor dies of.
//
// Failure behaviour: `open` answers why it cannot listen, or what is wrong with
// the password file. Later failures end one connection and are counted.
#pragma once

#include "actors/messages.hpp"
#include "actors/node_access.hpp"
#include "actors/resp/server.hpp"
#include "actors/resp_agreement.hpp"
#include "actors/resp_cluster.hpp"
#include "actors/resp_replicas.hpp"
#include "config/node_options.hpp"
#include "consensus/placement/placement.hpp"
#include "memory/status.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace neuroplex::actors {

class resp_gateway {
public:
  /// Does nothing until opened. `options` say where (`resp`) and who we are;
  /// `upkeep_lines` is what INFO shows of upkeep, asked for by any thread.
  resp_gateway(memory::store& segment, placement::placement_ptr table,
               config::node_options options,
               std::function<std::vector<resp::info_line>()> upkeep_lines);

  /// Must be closed, or never have been opened.
  ~resp_gateway();

  resp_gateway(const resp_gateway&) = delete;
  resp_gateway& operator=(const resp_gateway&) = delete;

  /// Commands for what is agreed on go there. Before the first `open`.
  void use(std::shared_ptr<agreement_access> agreement);

  /// Commands for namespaces of replicas go there. Before the first `open`.
  void use(std::shared_ptr<replica_access> replicas);

  /// Listens. `config`, `bad_path` or `denied` for the password file, `io` when
  /// the port is taken.
  expected<void> open(const node_access& here);

  /// Closes all connections and the port.
  void close() noexcept;

  /// The port, once the first `open` has ended well; why it has not;
  /// `deadline` when it has not ended in time.
  expected<std::uint16_t> await_opening(milliseconds patience) const;

  /// 0 before it was opened for the first time.
  [[nodiscard]] std::uint16_t port() const;

  [[nodiscard]] gateway_report report() const;

private:
  expected<void> start(const node_access& here);

  memory::store& segment_;
  placement::placement_ptr table_;
  config::node_options options_;
  std::function<std::vector<resp::info_line>()> upkeep_lines_;

  // Changed by the actor's thread alone; the server under the mutex, since
  // others look at its figures.
  std::shared_ptr<agreement_access> agreement_; // null for none
  std::shared_ptr<replica_access> replicas_;    // null for none
  std::unique_ptr<resp_cluster> cluster_;       // null when this node is alone
  std::unique_ptr<resp_agreement> agreed_;      // null without agreement_
  std::unique_ptr<resp_replicas> replicated_;   // null without replicas_
  std::unique_ptr<resp::server> server_;        // null while closed

  mutable std::mutex mutex_; // for all that follows
  mutable std::condition_variable tried_;
  gateway_report past_;            // of the lives that have ended
  std::optional<failure> problem_; // of the latest opening
  bool was_tried_ = false;
  std::uint16_t port_ = 0;
};

/// Opens `gateway` for the node `owner`, and closes it as it ends. Ends itself
/// when it cannot open it.
resp_gateway_actor spawn_resp_gateway(caf::actor_system& system,
                                      node_actor owner,
                                      std::shared_ptr<resp_gateway> gateway);

} // namespace neuroplex::actors
