#include "crdt/stores.hpp"

namespace neuroplex::crdt {

expected<causal<counter_store>> counter_store::add(const mutation& how,
                                                   std::int64_t amount) const {
  auto next = how.next();
  if (!next)
    return next.error();
  causal<counter_store> change;
  auto sum = amount;
  for (const auto& [what, share] : values) {
    if (what.replica != how.by)
      continue;
    change.context.add(what);
    if (__builtin_add_overflow(sum, share, &sum))
      return failure{errc::overflow,
                     "CRDT counter: a replica's share would leave the 64-bit "
                     "range: nothing was changed"};
  }
  change.context.add(*next);
  change.store.values.emplace_back(*next, sum);
  return change;
}

__extension__ __int128 counter_store::value() const {
  __extension__ __int128 sum = 0;
  for (const auto& [what, share] : values)
    sum += share;
  return sum;
}

} // namespace neuroplex::crdt
