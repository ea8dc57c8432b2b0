// A cluster that does exactly what a script says, and nothing by itself.
//
// Purpose: cores whose effects wait until the script processes them, a network
// whose messages wait until it delivers them, a clock a node. After each step
// the promises of Raft are checked over all nodes.
//
// Threads: one at a time.
//
// Invariants (checked): one leader a term; logs that agree on a term at an
// index agree up to it; what one node has applied at an index, all have.
//
// Failure behaviour: a broken promise is answered by `check` as text.
#pragma once

#include "consensus/raft/core.hpp"

#include <map>
#include <set>

namespace neuroplex::raft_scenarios {

/// Time of one tick of a script; an election timeout has three.
inline constexpr raft::time script_tick = std::chrono::milliseconds{10};
inline constexpr int election_ticks = 3;

struct script_node {
  raft::options settings{};
  std::unique_ptr<raft::core> brain{};
  raft::time now{};
  std::vector<raft::effects> ready{}; ///< not processed yet
  std::vector<raft::entry> disk{};    ///< the log as it is durable
  raft::log_index applied = 0;
  std::string partial{};
};

class group {
public:
  void add(raft::options settings, raft::configuration members,
           raft::log_index index);

  /// Answers whether the node refused something.
  bool give(raft::node_id id, const raft::input& what);

  /// Carries out what waits, as one turn: disk, messages, state machine.
  /// Answers whether there was anything.
  bool process(raft::node_id id);

  /// Delivers what waits for a node. Answers whether there was anything.
  bool deliver(raft::node_id id);
  void drop(raft::node_id id);

  /// Processes and delivers among these until nothing is left.
  void stabilize(const std::vector<raft::node_id>& ids);

  void tick(raft::node_id id);

  /// Takes a snapshot at `index` and forgets the log up to there.
  void compact(raft::node_id id, raft::log_index index);

  /// A broken promise, or nothing.
  [[nodiscard]] std::string check();

  [[nodiscard]] std::vector<raft::node_id> ids() const;

  [[nodiscard]] bool has(raft::node_id id) const {
    return nodes_.contains(id);
  }

  [[nodiscard]] const script_node& at(raft::node_id id) const {
    return nodes_.at(id);
  }

private:
  void carry_out_disk(script_node& node, const raft::disk_write& write);
  void carry_out_snapshots(raft::node_id id, const raft::effects& what);

  std::map<raft::node_id, script_node> nodes_;
  std::vector<raft::message> network_;
  std::map<raft::term_number, raft::node_id> leaders_;
  std::map<raft::log_index, raft::entry> truth_;
  std::string broken_;
};

} // namespace neuroplex::raft_scenarios
