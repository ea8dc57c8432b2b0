// What must hold of a PBFT group at every moment, seen from outside.
//
// Purpose: the promises to correct clients and among correct replicas, checked
// as things happen:
//
//   agreement             no two correct replicas execute different requests at
//                         one sequence number, nor come to different states
//   validity              what is executed was asked for by its client
//   once                  each request has one sequence number
//   no gaps               each replica executes one number after the other
//   views only grow       over the lives of a replica too, as far as it has
//   said
//                         anything in them
//   promises are durable  no vote leaves before the disk has what it promises
//
// Threads: none; belongs to the kernel.
//
// Failure: `kernel::fail` with the property's name first.
#pragma once

#include "consensus/pbft/effects.hpp"
#include "tests/sim/kernel.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace neuroplex::sim {

/// For messages.
[[nodiscard]] std::string replica_text(pbft::node_id id);

class pbft_invariants {
public:
  explicit pbft_invariants(kernel& world) : world_{world} {
  }

  /// A correct client is about to send this.
  void saw_request(const pbft::request& what);

  /// A client that lies: what it asks for is not looked at.
  void expect_anything_of(pbft::node_id client) {
    liars_.insert(client);
  }

  /// Of correct replicas only.
  void saw_execution(pbft::node_id replica, const pbft::execution& what);
  void saw_state(pbft::node_id replica, pbft::sequence_number sequence,
                 std::uint64_t state);
  void saw_view(pbft::node_id replica, pbft::view_number view);
  /// It begins anew with what its disk has.
  void saw_start(pbft::node_id replica, pbft::view_number view);
  void saw_packet(pbft::node_id replica, const pbft::message& what,
                  const pbft::durable_state& disk);

  [[nodiscard]] std::uint64_t executed() const noexcept {
    return executions_.size();
  }

  [[nodiscard]] pbft::view_number highest_view() const noexcept {
    return highest_view_;
  }

private:
  void check_view(pbft::node_id replica, pbft::view_number before,
                  pbft::view_number view);

  kernel& world_;
  std::set<pbft::node_id> liars_;
  std::map<std::pair<pbft::node_id, pbft::timestamp>, std::uint64_t> asked_;
  std::map<pbft::sequence_number, std::uint64_t> executions_;
  std::map<std::pair<pbft::node_id, pbft::timestamp>, pbft::sequence_number>
    placed_;
  std::map<pbft::sequence_number, std::uint64_t> states_;
  std::map<pbft::node_id, pbft::view_number> views_; ///< of its present life
  std::map<pbft::node_id, pbft::view_number> said_;
  pbft::view_number highest_view_ = 0;
};

} // namespace neuroplex::sim
