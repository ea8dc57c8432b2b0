#include "actors/replica/shard_state.hpp"

#include "actors/replica/limits.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace neuroplex::replica {

namespace {

std::uint64_t range_of(std::uint64_t counter) {
  return counter / crdt::limits::digest_range_counters;
}

} // namespace

const std::vector<shard_state::version>*
shard_state::entry::find(fact_kind kind, const std::string& name) const {
  auto at = places.find({kind, name});
  return at == places.end() ? nullptr : &at->second;
}

const shard_state::entry* shard_state::find(std::string_view key) const {
  auto at = keys_.find(key);
  return at == keys_.end() ? nullptr : &at->second;
}

// -- one fact -----------------------------------------------------------------

void shard_state::insert(const crdt::dot& made_by, fact what) {
  auto fingerprint = crdt::fingerprint_of(what);
  bytes_ += encoded_bytes(what.kind, what.key.size(), what.name.size(),
                          what.value.size());
  auto key = keys_.try_emplace(std::move(what.key)).first;
  auto [where, first] =
    key->second.places.try_emplace({what.kind, std::move(what.name)});
  if (first)
    ++key->second.counts[static_cast<std::size_t>(what.kind)];
  where->second.push_back(
    {made_by, std::move(what.value), what.number, what.written});
  dots_[made_by.replica].emplace(made_by.counter,
                                 location{key, where, fingerprint});
  auto& sum = sums_[{made_by.replica, range_of(made_by.counter)}];
  sum.hash += crdt::combine(made_by.counter, fingerprint);
  ++sum.facts;
  ++fact_count_;
  if (watcher_ != nullptr)
    watcher_->changed(key->first, where->first);
}

shard_state::dot_map::iterator shard_state::erase(crdt::replica_id replica,
                                                  dot_map& dots,
                                                  dot_map::iterator which) {
  auto counter = which->first;
  const auto key = which->second.key;
  const auto where = which->second.where;
  const auto fingerprint = which->second.fingerprint;
  if (watcher_ != nullptr)
    watcher_->changed(key->first, where->first);
  std::erase_if(where->second, [&](const version& one) {
    if (one.made_by != crdt::dot{replica, counter})
      return false;
    bytes_ -= encoded_bytes(where->first.kind, key->first.size(),
                            where->first.name.size(), one.value.size());
    return true;
  });
  auto& entry = key->second;
  if (where->second.empty()) {
    --entry.counts[static_cast<std::size_t>(where->first.kind)];
    entry.places.erase(where);
  }
  if (entry.places.empty())
    keys_.erase(key);
  auto sum = sums_.find({replica, range_of(counter)});
  sum->second.hash -= crdt::combine(counter, fingerprint);
  if (--sum->second.facts == 0)
    sums_.erase(sum);
  --fact_count_;
  return dots.erase(which);
}

void shard_state::erase(const crdt::dot& made_by) {
  auto& dots = dots_.at(made_by.replica);
  erase(made_by.replica, dots, dots.find(made_by.counter));
}

fact shard_state::fact_at(const crdt::dot& made_by, const location& at) {
  const auto& versions = at.where->second;
  auto found =
    std::find_if(versions.begin(), versions.end(),
                 [&](const version& one) { return one.made_by == made_by; });
  return {at.where->first.kind, at.key->first, at.where->first.name,
          found->value,         found->number, found->written};
}

const shard_state::location* shard_state::find(const crdt::dot& made_by) const {
  auto dots = dots_.find(made_by.replica);
  if (dots == dots_.end())
    return nullptr;
  auto at = dots->second.find(made_by.counter);
  return at == dots->second.end() ? nullptr : &at->second;
}

// -- changes of this replica --------------------------------------------------

void shard_state::put(const crdt::dot& made_by, fact what,
                      change_batch& changes) {
  changes.context.add(made_by);
  changes.made.push_back(made_by);
  context_.add(made_by);
  insert(made_by, std::move(what));
}

void shard_state::drop(const crdt::dot& made_by, change_batch& changes) {
  changes.context.add(made_by);
  erase(made_by);
}

void shard_state::drop(std::string_view key, const place& where,
                       change_batch& changes) {
  const auto* found = find(key);
  const auto* versions =
    found == nullptr ? nullptr : found->find(where.kind, where.name);
  if (versions == nullptr)
    return;
  // The last of them takes the list along.
  auto doomed = *versions;
  for (const auto& one : doomed)
    drop(one.made_by, changes);
}

void shard_state::drop(std::string_view key, fact_kind kind,
                       change_batch& changes) {
  const auto* found = find(key);
  if (found == nullptr)
    return;
  std::vector<place> doomed;
  for (auto at = found->places.lower_bound({kind, {}});
       at != found->places.end() && at->first.kind == kind; ++at)
    doomed.push_back(at->first);
  for (const auto& where : doomed)
    drop(key, where, changes);
}

void shard_state::drop(std::string_view key, change_batch& changes) {
  for (std::uint8_t kind = 0; kind < fact_kind_count; ++kind)
    drop(key, static_cast<fact_kind>(kind), changes);
}

void shard_state::drop_all(change_batch& changes) {
  for (auto& [replica, dots] : dots_)
    for (auto at = dots.begin(); at != dots.end();) {
      changes.context.add({replica, at->first});
      at = erase(replica, dots, at);
    }
}

fact_delta shard_state::collect(const change_batch& changes) const {
  fact_delta::lattice_type result;
  result.context = changes.context;
  for (const auto& made : changes.made)
    if (const auto* at = find(made))
      result.store.values.emplace_back(made, fact_at(made, *at));
  std::sort(result.store.values.begin(), result.store.values.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return fact_delta::of(std::move(result));
}

// -- between replicas ---------------------------------------------------------

expected<void> shard_state::check(const fact_delta& delta) const {
  if (auto fits = context_.check_merge(delta.context(), limits::max_replicas);
      !fits)
    return fits;
  for (const auto& [made_by, what] : delta.facts()) {
    const auto* at = find(made_by);
    if (at != nullptr && at->fingerprint != crdt::fingerprint_of(what))
      return crdt::reused_dot(made_by);
  }
  return {};
}

expected<void> shard_state::merge(const fact_delta& delta) {
  if (auto fits = check(delta); !fits)
    return fits;
  // What they have seen and do not have was removed there.
  auto theirs = delta.facts().begin();
  const auto end = delta.facts().end();
  for (const auto& [replica, seen] : delta.context().entries()) {
    auto dots = dots_.find(replica);
    if (dots == dots_.end())
      continue;
    for (const auto& [first, last] : seen.intervals())
      for (auto at = dots->second.lower_bound(first);
           at != dots->second.end() && at->first <= last;) {
        const crdt::dot one{replica, at->first};
        while (theirs != end && theirs->first < one)
          ++theirs;
        if (theirs != end && theirs->first == one)
          ++at;
        else
          at = erase(replica, dots->second, at);
      }
  }
  for (const auto& [made_by, what] : delta.facts())
    if (!context_.contains(made_by))
      insert(made_by, what);
  context_.merge(delta.context());
  return {};
}

std::vector<crdt::range_hash> shard_state::ranges() const {
  std::vector<crdt::range_hash> result;
  result.reserve(sums_.size());
  for (const auto& [where, sum] : sums_)
    result.push_back({where.first, where.second, sum.hash});
  return result;
}

crdt::state_digest shard_state::digest() const {
  return {context_, ranges(), 0};
}

std::pair<fact_delta, bool>
shard_state::restricted_to(const crdt::causal_context& dots,
                           std::size_t max_bytes) const {
  static const dot_map nothing;
  // Of a fact beside its strings, on the wire.
  constexpr std::size_t overhead = 24;
  fact_delta::lattice_type result;
  std::size_t bytes = 0;
  for (const auto& [replica, wanted] : dots.entries()) {
    auto found = dots_.find(replica);
    const auto& live = found == dots_.end() ? nothing : found->second;
    for (const auto& [first, last] : wanted.intervals()) {
      auto at = live.lower_bound(first);
      for (; at != live.end() && at->first <= last && bytes < max_bytes; ++at) {
        const crdt::dot one{replica, at->first};
        auto what = fact_at(one, at->second);
        bytes +=
          what.key.size() + what.name.size() + what.value.size() + overhead;
        result.store.values.emplace_back(one, std::move(what));
      }
      auto cut = at != live.end() && at->first <= last;
      auto told = cut ? at->first - 1 : last;
      if (told >= first)
        result.context.add(replica, crdt::interval_set{first, told});
      if (cut)
        return {fact_delta::of(std::move(result)), false};
    }
  }
  return {fact_delta::of(std::move(result)), true};
}

std::optional<fact_delta>
shard_state::difference(const crdt::state_digest& theirs) const {
  auto all = difference(theirs, SIZE_MAX).first;
  if (all.empty())
    return std::nullopt;
  return all;
}

std::pair<fact_delta, bool>
shard_state::difference(const crdt::state_digest& theirs,
                        std::size_t max_bytes) const {
  auto unseen = context_.difference(theirs.context);
  auto [delta, all] = restricted_to(unseen, max_bytes);
  if (!all)
    return {std::move(delta), false};
  auto lattice = delta.lattice();
  lattice.context.merge(removed_of(
    crdt::dots_to_send(context_, ranges(), theirs).difference(unseen)));
  return {fact_delta::of(std::move(lattice)), true};
}

// Those of `dots`, which were all seen, that are not live.
crdt::causal_context
shard_state::removed_of(const crdt::causal_context& dots) const {
  crdt::causal_context live;
  for (const auto& [replica, wanted] : dots.entries()) {
    auto found = dots_.find(replica);
    if (found == dots_.end())
      continue;
    for (const auto& [first, last] : wanted.intervals())
      for (auto at = found->second.lower_bound(first);
           at != found->second.end() && at->first <= last; ++at)
        live.add({replica, at->first});
  }
  return dots.difference(live);
}

fact_delta shard_state::differing(const crdt::state_digest& theirs,
                                  std::size_t max_bytes) const {
  return restricted_to(crdt::dots_to_send(context_, ranges(), theirs),
                       max_bytes)
    .first;
}

fact_delta shard_state::whole() const {
  return restricted_to(context_, SIZE_MAX).first;
}

} // namespace neuroplex::replica
