// What must hold of a Raft group at every moment, seen from outside.
//
// Purpose: the five properties of the protocol (Ongaro and Ousterhout, "In
// search of an understandable consensus algorithm", figure 3), checked as
// things happen, and what they rest on:
//
//   election safety        one leader a term at most
//   log matching           entries of equal index and term are equal, and so is
//                          all before them
//   leader completeness    who is elected has everything that was committed in
//                          an earlier term
//   state machine safety   no two nodes apply different entries at an index
//   no gaps                each node applies index after index
//   terms only grow        over the lives of a node too
//   one vote a term        likewise
//   committed is durable   on the disks of a majority, at the first commit
//
// Threads: none; belongs to the kernel.
//
// Failure: `kernel::fail` with the property's name first.
#pragma once

#include "consensus/raft/core.hpp"
#include "tests/sim/kernel.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::sim {

class raft_invariants {
public:
  /// `holds` says whether a node's disk, of that incarnation, has an entry, or
  /// had it when the disk was lost.
  using durable_copy =
    std::function<bool(raft::member, raft::log_index, raft::term_number)>;

  raft_invariants(kernel& world, durable_copy holds)
    : world_{world}, holds_{std::move(holds)} {
  }

  void saw_role(raft::node_id node, std::uint64_t life,
                const raft::role_notice& notice, const raft::raft_log& log);
  /// What a node's disk says of its term and vote.
  void saw_promise(raft::member node, const raft::hard_state& durable);
  /// Entries that a node writes; `prev_term` is that of the one before them.
  void saw_entries(raft::node_id node, const std::vector<raft::entry>& entries,
                   std::optional<raft::term_number> prev_term);
  /// `leading` are the last configurations of a node that leads, any of which
  /// may have counted: entries are handed out some time after they are
  /// committed. None if it follows.
  void saw_commit(raft::node_id node, const raft::entry& one,
                  std::span<const raft::configuration> leading);
  /// A state machine at an index, after an entry or a snapshot.
  void saw_state(raft::node_id node, raft::log_index index,
                 std::uint64_t digest);

  [[nodiscard]] raft::log_index committed() const noexcept {
    return committed_.size();
  }

  [[nodiscard]] std::size_t terms_with_leader() const noexcept {
    return leaders_.size();
  }

private:
  struct office {
    raft::node_id node;
    std::uint64_t life;
  };

  struct written {
    std::uint64_t hash;
    std::optional<raft::term_number> prev_term; ///< where it was known
  };

  struct fixed {
    raft::term_number term;
    std::uint64_t hash;
    raft::term_number committed_in; ///< the highest term that began before
  };

  [[nodiscard]] bool is_safe_in(const raft::configuration& members,
                                const raft::entry& one) const;
  [[nodiscard]] bool majority_has(const std::vector<raft::member>& voters,
                                  const raft::entry& one) const;

  kernel& world_;
  durable_copy holds_;
  std::map<raft::term_number, office> leaders_;
  std::map<raft::member, raft::hard_state> promises_;
  std::map<std::pair<raft::log_index, raft::term_number>, written> entries_;
  std::vector<fixed> committed_; ///< by index, from 1
  std::map<raft::log_index, std::uint64_t> digests_;
};

} // namespace neuroplex::sim
