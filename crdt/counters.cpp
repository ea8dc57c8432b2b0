#include "crdt/counters.hpp"

namespace neuroplex::crdt {

expected<g_counter> g_counter::increment(replica_id by, std::int64_t amount) {
  auto at = lattice_.entries.find(by);
  auto sum = (at == lattice_.entries.end() ? tally{} : at->second).plus(amount);
  if (!sum)
    return sum.error();
  lattice_type change;
  change.entries.emplace(by, *sum);
  return commit(std::move(change));
}

expected<g_counter> g_counter::without(replica_id gone, replica_id into) const {
  auto result = *this;
  auto at = result.lattice_.entries.find(gone);
  if (gone == into || at == result.lattice_.entries.end())
    return result;
  auto& share = result.lattice_.entries[into];
  auto sum = share.plus(at->second.value);
  if (!sum)
    return sum.error();
  share = *sum;
  result.lattice_.entries.erase(at);
  return result;
}

wide_integer g_counter::value() const {
  wide_integer sum = 0;
  for (const auto& [replica, share] : lattice_.entries)
    sum += share.value;
  return sum;
}

template <std::size_t Direction>
expected<pn_counter> pn_counter::change(replica_id by, std::int64_t amount) {
  auto at = lattice_.entries.find(by);
  auto share =
    at == lattice_.entries.end() ? product<tally, tally>{} : at->second;
  auto sum = share.part<Direction>().plus(amount);
  if (!sum)
    return sum.error();
  share.part<Direction>() = *sum;
  lattice_type change;
  change.entries.emplace(by, share);
  return commit(std::move(change));
}

expected<pn_counter> pn_counter::increment(replica_id by, std::int64_t amount) {
  return change<0>(by, amount);
}

expected<pn_counter> pn_counter::decrement(replica_id by, std::int64_t amount) {
  return change<1>(by, amount);
}

wide_integer pn_counter::value() const {
  wide_integer sum = 0;
  for (const auto& [replica, share] : lattice_.entries)
    sum +=
      static_cast<wide_integer>(share.part<0>().value) - share.part<1>().value;
  return sum;
}

} // namespace neuroplex::crdt
