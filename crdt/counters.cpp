#include "crdt/counters.hpp"

namespace neuroplex::crdt {

namespace {

expected<void> add_share(tally& to, const tally& more) {
  auto sum = to.plus(more.value);
  if (!sum)
    return sum.error();
  to = *sum;
  return {};
}

expected<void> add_share(product<tally, tally>& to,
                         const product<tally, tally>& more) {
  auto up = add_share(to.part<0>(), more.part<0>());
  return up ? add_share(to.part<1>(), more.part<1>()) : up;
}

/// Moves the share of `gone` to `into`.
template <class Share>
expected<void> move_share(std::map<replica_id, Share>& shares, replica_id gone,
                          replica_id into) {
  auto at = shares.find(gone);
  if (gone == into || at == shares.end())
    return {};
  auto moved = add_share(shares[into], at->second);
  if (moved)
    shares.erase(at);
  return moved;
}

} // namespace

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
  auto moved = move_share(result.lattice_.entries, gone, into);
  if (!moved)
    return moved.error();
  return result;
}

expected<std::uint64_t> g_counter::held_of(replica_id replica) const {
  auto at = lattice_.entries.find(replica);
  return at == lattice_.entries.end()
           ? std::uint64_t{0}
           : static_cast<std::uint64_t>(at->second.value);
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

expected<pn_counter> pn_counter::without(replica_id gone,
                                         replica_id into) const {
  auto result = *this;
  auto moved = move_share(result.lattice_.entries, gone, into);
  if (!moved)
    return moved.error();
  return result;
}

expected<std::uint64_t> pn_counter::held_of(replica_id replica) const {
  auto at = lattice_.entries.find(replica);
  if (at == lattice_.entries.end())
    return std::uint64_t{0};
  auto [up, down] = at->second.parts;
  return combine(static_cast<std::uint64_t>(up.value),
                 static_cast<std::uint64_t>(down.value));
}

wide_integer pn_counter::value() const {
  wide_integer sum = 0;
  for (const auto& [replica, share] : lattice_.entries)
    sum +=
      static_cast<wide_integer>(share.part<0>().value) - share.part<1>().value;
  return sum;
}

} // namespace neuroplex::crdt
