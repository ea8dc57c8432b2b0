// Carries RESP commands for keys of other nodes to threads that may wait.
//
// Purpose: the gateway's loop must never block, and a request to another node
// takes its time. A few threads execute such commands, with the same handlers
// as the loop, over `resp_routed_keys`. All other nodes together are one
// "owner" to the sessions: the router knows who is who.
//
// Ownership: owns its threads; refers to the node and to the server, and must
// be stopped before either goes. Threads: `submit` and the questions are for
// the loop thread; `attach` and `stop` for the owner.
//
// Invariants:
//  1. Commands of one connection are executed by one thread, in their order.
//  2. Every completion of a running gateway is posted to its server.
//
// Failure behaviour: beyond max_waiting commands a thread answers `busy`.
#pragma once

#include "actors/node_access.hpp"
#include "actors/resp/remote.hpp"
#include "actors/resp/server.hpp"
#include "consensus/placement/placement.hpp"
#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace neuroplex::actors {

struct resp_cluster_setup {
  node_access node;
  memory::store& segment; ///< of this node
  placement::placement_ptr table;
  placement::replica_id self = 0;
  std::uint32_t request_ms = 1'000;
  std::uint32_t batch_keys = 1'024;
};

class resp_cluster final : public resp::remote {
public:
  /// The table must have members beside us. Fails as client::attach.
  static expected<std::unique_ptr<resp_cluster>>
  make(const resp_cluster_setup& setup);

  ~resp_cluster() override;

  /// Starts executing; completions go to `gate`.
  void attach(resp::server& gate);

  /// Ends the threads; what still waits is dropped.
  void stop() noexcept;

  [[nodiscard]] resp::owner_id owner_of(std::uint32_t database,
                                        std::string_view key) const override;
  [[nodiscard]] std::vector<resp::owner_id> others() const override;
  void submit(resp::owner_id owner, resp::remote_command command,
              resp::remote_completion completion) override;

private:
  class worker;

  explicit resp_cluster(const resp_cluster_setup& setup);

  placement::placement_ptr table_;
  placement::replica_id self_;
  std::vector<std::unique_ptr<worker>> workers_;
};

} // namespace neuroplex::actors
