#include "crdt/causal_context.hpp"

#include <algorithm>

namespace neuroplex::crdt {

namespace {

template <class Entries>
auto place_of(Entries& entries, replica_id replica) {
  return std::lower_bound(entries.begin(), entries.end(), replica,
                          [](const causal_context::entry& one, replica_id id) {
                            return one.replica < id;
                          });
}

} // namespace

const interval_set* causal_context::find(replica_id replica) const noexcept {
  auto at = place_of(entries_, replica);
  return at != entries_.end() && at->replica == replica ? &at->seen : nullptr;
}

interval_set& causal_context::at(replica_id replica) {
  auto at = place_of(entries_, replica);
  if (at == entries_.end() || at->replica != replica)
    at = entries_.insert(at, {replica, {}});
  return at->seen;
}

void causal_context::merge(const causal_context& other) {
  // A delta names few replicas, a state many.
  if (other.entries_.size() * 8 < entries_.size()) {
    for (const auto& [replica, seen] : other.entries_)
      add(replica, seen);
    return;
  }
  std::vector<entry> both;
  both.reserve(entries_.size() + other.entries_.size());
  auto mine = entries_.begin();
  for (const auto& theirs : other.entries_) {
    for (; mine != entries_.end() && mine->replica < theirs.replica; ++mine)
      both.push_back(std::move(*mine));
    if (mine != entries_.end() && mine->replica == theirs.replica) {
      mine->seen.merge(theirs.seen);
      both.push_back(std::move(*mine));
      ++mine;
    } else {
      both.push_back(theirs);
    }
  }
  std::move(mine, entries_.end(), std::back_inserter(both));
  entries_ = std::move(both);
}

expected<void> causal_context::check_merge(const causal_context& other,
                                           std::size_t max_replicas) const {
  auto replicas = entries_.size() + other.entries_.size();
  if (replicas <= max_replicas)
    return {};
  auto mine = entries_.begin();
  for (const auto& theirs : other.entries_) {
    while (mine != entries_.end() && mine->replica < theirs.replica)
      ++mine;
    replicas -= mine != entries_.end() && mine->replica == theirs.replica;
  }
  return check_replica_count(replicas, max_replicas);
}

void causal_context::erase(replica_id replica) {
  auto at = place_of(entries_, replica);
  if (at != entries_.end() && at->replica == replica)
    entries_.erase(at);
}

expected<dot> causal_context::next(replica_id replica) const {
  const auto* seen = find(replica);
  auto last = seen == nullptr ? 0 : seen->largest();
  if (last >= limits::max_counter)
    return failure{errc::overflow,
                   "CRDT replica " + to_string(replica)
                     + ": its counters are used up: give the node a new "
                       "incarnation"};
  return dot{replica, last + 1};
}

bool causal_context::includes(const causal_context& other) const {
  return std::all_of(other.entries_.begin(), other.entries_.end(),
                     [this](const entry& theirs) {
                       const auto* mine = find(theirs.replica);
                       return mine != nullptr && mine->includes(theirs.seen);
                     });
}

causal_context causal_context::difference(const causal_context& other) const {
  causal_context result;
  for (const auto& [replica, seen] : entries_) {
    const auto* theirs = other.find(replica);
    auto rest = theirs == nullptr ? seen : seen.difference(*theirs);
    if (!rest.empty())
      result.entries_.push_back({replica, std::move(rest)});
  }
  return result;
}

causal_context causal_context::intersection(const causal_context& other) const {
  causal_context result;
  for (const auto& [replica, seen] : entries_) {
    const auto* theirs = other.find(replica);
    if (theirs == nullptr)
      continue;
    auto both = seen.intersection(*theirs);
    if (!both.empty())
      result.entries_.push_back({replica, std::move(both)});
  }
  return result;
}

// An interval is the gap before it and its length, where one that holds a
// single counter, as in most deltas, has no length: the lowest bit of the gap
// says so.
void causal_context::write(encoder& out) const {
  out.put_varint(entries_.size());
  for (const auto& [replica, seen] : entries_) {
    out.put_replica(replica);
    out.put_varint(seen.intervals().size() - 1);
    std::uint64_t least = 1;
    for (const auto& [first, last] : seen.intervals()) {
      out.put_varint((first - least) << 1 | (first == last ? 0U : 1U));
      if (first != last)
        out.put_varint(last - first - 1);
      // One counter at least lies between two intervals.
      least = last + 2;
    }
  }
}

causal_context causal_context::read(decoder& in) {
  causal_context result;
  auto count = in.take_count(3);
  if (count > in.limits().max_replicas) {
    in.fail("more than " + std::to_string(in.limits().max_replicas)
            + " replicas");
    return result;
  }
  result.entries_.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto replica = in.take_replica();
    if (!result.entries_.empty() && replica <= result.entries_.back().replica)
      in.fail("replicas out of order in a context");
    interval_set seen;
    auto intervals = in.take_count() + 1;
    std::uint64_t least = 1;
    for (std::size_t k = 0; k < intervals && !in.failed(); ++k) {
      auto head = in.take_varint();
      auto more = (head & 1) == 0 ? 0 : in.take_varint() + 1;
      auto gap = head >> 1;
      if (gap > limits::max_counter || more > limits::max_counter
          || least + gap + more > limits::max_counter
          || ((head & 1) != 0 && more == 0)) {
        in.fail("a counter above " + std::to_string(limits::max_counter));
        break;
      }
      seen.add(interval{least + gap, least + gap + more});
      least += gap + more + 2;
    }
    result.entries_.push_back({replica, std::move(seen)});
  }
  return result;
}

} // namespace neuroplex::crdt
