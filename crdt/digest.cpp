#include "crdt/digest.hpp"

#include <algorithm>
#include <tuple>
#include <xxhash.h>

namespace neuroplex::crdt {

namespace {

constexpr std::string_view kind_text = "state_digest";

bool before(const range_hash& a, const range_hash& b) noexcept {
  return std::tie(a.replica, a.range) < std::tie(b.replica, b.range);
}

bool same_range(const range_hash& a, const range_hash& b) noexcept {
  return a.replica == b.replica && a.range == b.range;
}

interval_set counters_of(std::uint64_t range) {
  auto first = range * limits::digest_range_counters;
  return {first == 0 ? 1 : first, first + limits::digest_range_counters - 1};
}

} // namespace

std::uint64_t hash_bytes(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void range_hasher::add(const dot& what, std::uint64_t fingerprint) {
  auto range = what.counter / limits::digest_range_counters;
  auto hash = combine(what.counter, fingerprint);
  if (!ranges_.empty() && ranges_.back().range == range
      && ranges_.back().replica == what.replica)
    ranges_.back().hash += hash;
  else
    ranges_.push_back({what.replica, range, hash});
}

std::vector<range_hash> range_hasher::finish() && {
  std::sort(ranges_.begin(), ranges_.end(), before);
  std::vector<range_hash> result;
  for (const auto& one : ranges_) {
    if (!result.empty() && same_range(result.back(), one))
      result.back().hash += one.hash;
    else
      result.push_back(one);
  }
  return result;
}

causal_context dots_to_send(const causal_context& context,
                            const std::vector<range_hash>& ranges,
                            const state_digest& theirs) {
  causal_context differing;
  auto mine = ranges.begin();
  auto other = theirs.ranges.begin();
  while (mine != ranges.end() || other != theirs.ranges.end()) {
    const range_hash* at = nullptr;
    if (other == theirs.ranges.end()
        || (mine != ranges.end() && before(*mine, *other))) {
      at = &*mine++;
    } else if (mine == ranges.end() || before(*other, *mine)) {
      at = &*other++;
    } else {
      at = mine->hash == other->hash ? nullptr : &*mine;
      ++mine;
      ++other;
    }
    if (at != nullptr)
      differing.add(at->replica, counters_of(at->range));
  }
  auto result = context.intersection(differing);
  result.merge(context.difference(theirs.context));
  return result;
}

expected<std::uint64_t> state_digest::held_of(replica_id replica) const {
  if (std::any_of(ranges.begin(), ranges.end(), [&](const range_hash& one) {
        return one.replica == replica;
      }))
    return failure{errc::busy,
                   "CRDT replica " + to_string(replica)
                     + ": changes of it are still in force: nothing was "
                       "changed; wait until they are replaced or removed"};
  std::uint64_t held = 0;
  if (const auto* seen = context.find(replica))
    for (const auto& [first, last] : seen->intervals())
      held = combine(combine(held, first), last);
  return held;
}

std::string state_digest::encode() const {
  replica_table table;
  encoder out{table};
  context.write(out);
  out.put_fixed64(whole);
  out.put_varint(ranges.size());
  for (const auto& one : ranges) {
    out.put_replica(one.replica);
    out.put_varint(one.range);
    out.put_fixed64(one.hash);
  }
  return out.finish(kind_of(kind_text));
}

expected<state_digest> state_digest::decode(std::string_view bytes,
                                            const decode_limits& limits) {
  replica_table table;
  decoder in{bytes, kind_of(kind_text), table, limits};
  state_digest result;
  result.context = causal_context::read(in);
  result.whole = in.take_fixed64();
  auto count = in.take_count(10);
  result.ranges.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    range_hash one;
    one.replica = in.take_replica();
    one.range = in.take_varint();
    one.hash = in.take_fixed64();
    if (one.range > limits::max_counter / limits::digest_range_counters
        || (!result.ranges.empty() && !before(result.ranges.back(), one)))
      in.fail("ranges out of order in a digest");
    result.ranges.push_back(one);
  }
  if (auto read = in.finish(); !read)
    return read.error();
  return result;
}

} // namespace neuroplex::crdt
