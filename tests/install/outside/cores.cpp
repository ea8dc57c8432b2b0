// Replicated data and agreement without a node: libraries without CAF.
#include "consensus/hybrid/trust.hpp"
#include "consensus/raft/quorum.hpp"
#include "crdt/or_set.hpp"

#include <cstdint>

int main() {
  using namespace neuroplex;
  crdt::or_set<std::uint64_t> here;
  crdt::or_set<std::uint64_t> there;
  auto change = here.add(crdt::replica_id{1}, 42);
  if (!change || !there.merge(*change) || !there.contains(42))
    return 1;
  hybrid::trust_book book{{}, {1, 2, 3, 4}, hybrid::time{}};
  book.saw(2, hybrid::fault_kind::equivocation, hybrid::time{});
  return book.score(2, hybrid::time{}) < book.score(3, hybrid::time{}) ? 0 : 1;
}
