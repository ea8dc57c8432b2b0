// What must hold of a hybrid group at every moment, seen from outside.
//
// Purpose: the promises to correct clients and among correct replicas, checked
// as things happen:
//
//   agreement       no two correct replicas settle different commands at one
//                   position, nor one command in different epochs or modes; and
//                   in an epoch whose leader does not lie, none runs another
//                   command there than is settled
//   once            each command has one position
//   validity        what is settled was asked for by its client
//   no gaps         each replica settles one position after the other
//   nothing taken back   what ran under a leader that does not lie is settled
//   none alone      an epoch by Raft is left only after a correct replica
//                   suspected something, and for the same next epoch by all
//   words are kept  who told that it stopped in an epoch goes on in it in no
//                   later life
//   epochs only grow   in one life of a replica
//
// Threads: none; belongs to the kernel.
//
// Failure: `kernel::fail` with the property's name first.
#pragma once

#include "consensus/hybrid/core.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/pbft/invariants.hpp"

#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace neuroplex::sim {

class hybrid_invariants {
public:
  explicit hybrid_invariants(kernel& world) : world_{world} {
  }

  void expect_lies_of(hybrid::node_id replica) {
    liars_.insert(replica);
  }

  [[nodiscard]] bool lies(hybrid::node_id replica) const {
    return liars_.contains(replica);
  }

  /// A correct client is about to ask for this.
  void saw_wish(hybrid::node_id client, std::string_view operation);

  // Of correct replicas only.
  void saw_start(hybrid::node_id replica);
  /// Its state was replaced as a whole.
  void saw_replaced(hybrid::node_id replica) {
    lives_[replica].replaced = true;
  }

  void saw_execution(hybrid::node_id replica, const hybrid::execution& what);
  void saw_switch(hybrid::node_id replica, const hybrid::epoch_info& to);
  /// Before any of its packets leaves, which may be the last thing it does.
  void saw_suspicion(const hybrid::status& now);
  /// It told somebody that it stopped in an epoch.
  void saw_stop(hybrid::node_id replica, hybrid::epoch_number epoch) {
    stopped_.emplace(replica, epoch);
  }
  void saw_status(hybrid::node_id replica, const hybrid::status& now);

  [[nodiscard]] hybrid::epoch_number last_epoch() const noexcept {
    return epochs_.empty() ? 0 : epochs_.rbegin()->first;
  }

  [[nodiscard]] std::uint64_t settled(hybrid::mode how) const {
    return settled_by_[static_cast<std::size_t>(how)];
  }

private:
  struct placed {
    hybrid::epoch_info where{};
    hybrid::node_id client = 0;
    std::uint64_t number = 0;
    std::uint64_t hash = 0;

    friend bool operator==(const placed&, const placed&) = default;
  };

  struct life {
    std::uint64_t settled = 0;
    hybrid::epoch_info where{};
    std::uint64_t rolled_back = 0;
    bool replaced = true; ///< positions may have been jumped over
  };

  kernel& world_;
  std::set<hybrid::node_id> liars_;
  std::set<std::pair<hybrid::node_id, std::uint64_t>> wishes_;
  std::map<std::uint64_t, placed> positions_;
  std::map<std::pair<hybrid::node_id, std::uint64_t>, std::uint64_t> numbers_;
  std::map<hybrid::epoch_number, hybrid::epoch_info> epochs_;
  std::set<hybrid::epoch_number> suspected_;
  std::set<std::pair<hybrid::node_id, hybrid::epoch_number>> stopped_;
  std::map<hybrid::node_id, life> lives_;
  std::array<std::uint64_t, 2> settled_by_{};
};

} // namespace neuroplex::sim
