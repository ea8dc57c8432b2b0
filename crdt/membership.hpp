// Who belongs to a group of replicas, and what it may forget.
//
// Purpose: a state keeps something of each replica that ever changed it. What
// it keeps of one that is gone may be dropped when it is causally stable: when
// all members have the same of it and none can get more. Whoever was away and
// still has the old state must not be merged afterwards, or it brings back what
// was dropped. So members talk within an epoch, and each drop begins a new one.
//
// How: `remove` the replica; its changes are taken from it no more. Members
// tell what they hold of it (`held_of` of their state) until all tell the same,
// which can then not change: no member has more to give. `retire` begins the
// epoch in which each member drops it (`without` of its state). On entering an
// epoch in which somebody was retired a member also drops the deltas that it
// buffered, as after a restart (`delta_synchronizer`), since they may name who
// is gone. Who is refused for an old epoch enters the present one first, if it
// is a member; else it takes the state of a member, and joins as a new
// incarnation.
//
// Source: causal stability of Baquero, Almeida, Shoker, "Pure operation-based
// replicated data types" (2017), section 5; epochs are ours.
//
// Threads: one at a time. One owner of the group changes it, makes it durable
// and sends it round; members keep copies.
//
// Invariants:
//  1. A replica that left never belongs to the group again, nor an older
//     incarnation of its node.
//  2. What was confirmed in one epoch counts for nothing in the next.
//
// Failure behaviour: what is refused changed nothing.
#pragma once

#include "crdt/replica_id.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <map>
#include <set>

namespace neuroplex::crdt {

class membership {
public:
  membership() = default;
  explicit membership(std::set<replica_id> members);

  /// Whether what `sender` sent in `epoch` may be merged here. Fails with
  /// `errc::denied` when it is no member, with `errc::mismatch` when one of the
  /// two has to enter a later epoch first.
  [[nodiscard]] expected<void> check(replica_id sender,
                                     std::uint64_t epoch) const;

  /// Takes in a member, in a new epoch. It has the state of a member already.
  [[nodiscard]] expected<void> add(replica_id member);

  /// Takes a member out, in a new epoch. What it told nobody is lost.
  [[nodiscard]] expected<void> remove(replica_id member);

  /// `member`, in the present epoch, holds `held` of `gone`.
  [[nodiscard]] expected<void> confirm(replica_id member, replica_id gone,
                                       std::uint64_t held);

  /// Whether all members have the same of `gone`, for good.
  [[nodiscard]] bool is_stable(replica_id gone) const;

  /// Begins the epoch in which members drop what they keep of `gone`. Fails
  /// with `errc::busy` while that is not stable.
  [[nodiscard]] expected<void> retire(replica_id gone);

  [[nodiscard]] std::uint64_t epoch() const noexcept {
    return epoch_;
  }

  [[nodiscard]] const std::set<replica_id>& members() const noexcept {
    return members_;
  }

  /// Those that left and are not retired yet.
  [[nodiscard]] const std::set<replica_id>& leaving() const noexcept {
    return leaving_;
  }

private:
  void begin_epoch();

  std::uint64_t epoch_ = 1;
  std::set<replica_id> members_;
  std::set<replica_id> leaving_;
  /// The last incarnation of each node that ever belonged to the group.
  std::map<std::uint32_t, std::uint32_t> last_incarnations_;
  /// What members hold of those that leave, in this epoch.
  std::map<replica_id, std::map<replica_id, std::uint64_t>> held_;
};

} // namespace neuroplex::crdt
