#include "crdt/dot_stores.hpp"

namespace neuroplex::crdt {

void dot_set::join(const causal_context& mine, const dot_set& other,
                   const causal_context& theirs) {
  join_live(dots, mine, other.dots, theirs,
            [](const dot& one) -> const dot& { return one; });
}

failure reused_dot(const dot& what) {
  return {errc::conflict,
          "CRDT change " + to_string(what)
            + ": seen with another value: two replicas share the id "
            + to_string(what.replica) + ": give one of them a new incarnation"};
}

failure not_seen_yet(replica_id here) {
  return {errc::busy,
          "CRDT change at replica " + to_string(here)
            + ": its client has seen what did not come here yet: nothing was "
              "changed; merge that first, or try again when it came"};
}

} // namespace neuroplex::crdt
