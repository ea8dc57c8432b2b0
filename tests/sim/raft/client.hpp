// A client of a simulated Raft group, in a session.
//
// Purpose: asks whichever node it believes to lead. A command that got no
// answer is sent again under the same sequence number, to another node; after
// some tries the client gives up, and the outcome is unknown. It is certain
// that nothing happened only if every try was refused.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "tests/sim/network.hpp"
#include "tests/sim/raft/host.hpp"
#include "tests/sim/register_client.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace neuroplex::sim {

/// Patience is that for one try.
struct client_settings : client_habits {
  unsigned most_tries = 6;
  /// The network may deliver a request again after it was refused, so that a
  /// refusal proves nothing.
  bool requests_may_repeat = false;
};

class raft_client final : public register_client {
public:
  raft_client(kernel& world, network& links, history& told,
              const client_settings& settings,
              std::vector<std::unique_ptr<raft_host>>& nodes);

private:
  void send() override;
  void try_once();
  void heard(std::uint64_t sequence, unsigned attempt, reply what,
             raft::node_id leader);

  network& links_;
  client_settings settings_;
  std::vector<std::unique_ptr<raft_host>>& nodes_;
  network::end_point place_;
  bool perhaps_taken_ = false; ///< some try of this operation got no answer
  unsigned tries_ = 0;
  std::size_t believed_leader_ = 0;
};

} // namespace neuroplex::sim
