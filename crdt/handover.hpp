// Who answers for a range of keys while it moves from one node to another.
//
// Purpose: two owners never answer in one epoch, and no change is left behind.
// The old owner sends its state, goes on answering, and gives the range up only
// when what the new owner has is what it has itself; a change that came
// meanwhile has the state sent again. The new owner answers in the next epoch.
//
// Threads: one at a time. The epoch and who owns are durable before they are
// acted on.
//
// Invariants:
//  1. A request is answered only by an owner, and only in its own epoch.
//  2. An epoch has one owner: `release` ends it before `take` begins the next.
//
// Failure behaviour: an operation at the wrong time is refused and changes
// nothing.
#pragma once

#include "crdt/digest.hpp"

namespace neuroplex::crdt {

class ownership {
public:
  /// Of a node that owns the range in `epoch`, or knows that another does.
  ownership(std::uint64_t epoch, bool owns) : epoch_{epoch}, owns_{owns} {
  }

  /// Whether a request whose sender knows of `epoch` may be answered here.
  [[nodiscard]] expected<void> check(std::uint64_t epoch) const;

  /// Gives the range up. `moved` is the digest of what the new owner confirmed
  /// to have, `current` that of the state now. Answers the new owner's epoch;
  /// fails with `errc::mismatch` when the state has changed since.
  [[nodiscard]] expected<std::uint64_t> release(const state_digest& moved,
                                                const state_digest& current);

  /// Owns the range from `epoch` on, which a `release` has answered.
  [[nodiscard]] expected<void> take(std::uint64_t epoch);

  [[nodiscard]] std::uint64_t epoch() const noexcept {
    return epoch_;
  }

  [[nodiscard]] bool owns() const noexcept {
    return owns_;
  }

private:
  std::uint64_t epoch_;
  bool owns_;
};

} // namespace neuroplex::crdt
