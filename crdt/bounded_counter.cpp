#include "crdt/bounded_counter.hpp"

#include <set>

namespace neuroplex::crdt {

namespace {

template <class Key>
tally at(const map_of<Key, tally>& entries, const Key& key) {
  auto found = entries.entries.find(key);
  return found == entries.entries.end() ? tally{} : found->second;
}

} // namespace

expected<void> rights_ledger::check(const rights_ledger& other) const {
  std::size_t pairs = part<0>().entries.size();
  std::set<replica_id> replicas;
  for (const auto* one : {this, &other}) {
    for (const auto& [pair, amount] : one->part<0>().entries) {
      replicas.insert({pair.first, pair.second});
      pairs += one == &other && !part<0>().entries.contains(pair) ? 1 : 0;
    }
    for (const auto& [replica, amount] : one->part<1>().entries)
      replicas.insert(replica);
  }
  if (pairs > limits::max_transfers)
    return failure{errc::too_many,
                   "CRDT bounded counter: transfers between "
                     + std::to_string(pairs) + " pairs of replicas: at most "
                     + std::to_string(limits::max_transfers)
                     + ": nothing was merged: have rights go through fewer "
                       "replicas"};
  return check_replica_count(replicas.size());
}

rights_ledger rights_ledger::read(decoder& in) {
  rights_ledger result{product::read(in)};
  if (result.part<0>().entries.size() > limits::max_transfers)
    in.fail("transfers between more than "
            + std::to_string(limits::max_transfers) + " pairs of replicas");
  return result;
}

expected<void> bounded_counter::check_rights(replica_id who,
                                             std::int64_t amount) const {
  auto rights = rights_of(who);
  if (amount <= rights)
    return {};
  return failure{errc::busy,
                 "CRDT bounded counter: " + std::to_string(amount)
                   + " of replica " + to_string(who) + ": it has rights to "
                   + std::to_string(static_cast<std::int64_t>(rights))
                   + " only: have another replica transfer some"};
}

expected<bounded_counter> bounded_counter::give(replica_id by, replica_id to,
                                                std::int64_t amount) {
  auto sum = at(lattice_.part<0>(), std::pair{by, to}).plus(amount);
  if (!sum)
    return sum.error();
  lattice_type change;
  // Rights that are given on must be seen to come from somewhere.
  if (by != to)
    change.part<0>() = lattice_.part<0>();
  change.part<0>().entries[{by, to}] = *sum;
  return commit(std::move(change));
}

expected<bounded_counter> bounded_counter::increment(replica_id by,
                                                     std::int64_t amount) {
  return give(by, by, amount);
}

expected<bounded_counter>
bounded_counter::transfer(replica_id by, replica_id to, std::int64_t amount) {
  if (by == to)
    return failure{errc::bad_argument,
                   "CRDT bounded counter: a transfer of replica "
                     + to_string(by) + " to itself: name another receiver"};
  if (auto enough = check_rights(by, amount); !enough)
    return enough.error();
  return give(by, to, amount);
}

expected<bounded_counter> bounded_counter::decrement(replica_id by,
                                                     std::int64_t amount) {
  auto sum = at(lattice_.part<1>(), by).plus(amount);
  if (!sum)
    return sum.error();
  if (auto enough = check_rights(by, amount); !enough)
    return enough.error();
  lattice_type change;
  change.part<0>() = lattice_.part<0>();
  change.part<1>().entries.emplace(by, *sum);
  return commit(std::move(change));
}

wide_integer bounded_counter::rights_of(replica_id who) const {
  wide_integer rights =
    -static_cast<wide_integer>(at(lattice_.part<1>(), who).value);
  for (const auto& [pair, amount] : lattice_.part<0>().entries) {
    if (pair.second == who)
      rights += amount.value;
    else if (pair.first == who)
      rights -= amount.value;
  }
  return rights;
}

wide_integer bounded_counter::value() const {
  wide_integer sum = 0;
  for (const auto& [pair, amount] : lattice_.part<0>().entries)
    if (pair.first == pair.second)
      sum += amount.value;
  for (const auto& [replica, amount] : lattice_.part<1>().entries)
    sum -= amount.value;
  return sum;
}

} // namespace neuroplex::crdt
