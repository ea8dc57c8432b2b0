#include "consensus/placement/hash_slots.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace neuroplex;
using namespace neuroplex::placement;

namespace {

std::vector<replica_id> random_members(std::mt19937_64& random,
                                       std::size_t most) {
  std::set<replica_id> members;
  auto count = 1 + random() % most;
  while (members.size() < count)
    members.insert(static_cast<replica_id>(1 + random() % 40));
  return {members.begin(), members.end()};
}

std::map<replica_id, std::uint64_t> shards_by_primary(const hash_slots& table) {
  std::map<replica_id, std::uint64_t> result;
  for (auto member : table.members())
    result[member] = 0;
  for (shard_index i = 0; i < table.shard_count(); ++i)
    ++result[table.owners_of(i).front()];
  return result;
}

// The fewest moves any table could do with: shards of members that left, plus
// what the others hold above the quota that is kindest to them.
std::uint64_t fewest_moves(const hash_slots& before,
                           const std::vector<replica_id>& members) {
  auto shards = shards_by_primary(before);
  std::vector<std::uint64_t> held;
  std::uint64_t orphans = before.shard_count();
  for (auto member : members) {
    auto found = shards.find(member);
    held.push_back(found == shards.end() ? 0 : found->second);
    orphans -= held.back();
  }
  std::sort(held.rbegin(), held.rend());
  auto even = before.shard_count() / members.size();
  auto rest = before.shard_count() % members.size();
  auto moves = orphans;
  for (std::size_t i = 0; i < held.size(); ++i) {
    auto quota = even + (i < rest ? 1 : 0);
    moves += held[i] > quota ? held[i] - quota : 0;
  }
  return moves;
}

} // namespace

TEST_CASE("slots of known keys never change") {
  CHECK(slot_of("") == 18'886);
  CHECK(slot_of("a") == 12'160);
  CHECK(slot_of("neuroplex") == 24'348);
}

TEST_CASE("every slot lies in the range of exactly one shard") {
  for (std::uint32_t shards : {1u, 2u, 3u, 7u, 64u, 1000u, 65'535u, 65'536u}) {
    auto table = hash_slots::make({.shards = shards}, {1, 2, 3});
    REQUIRE(table);
    REQUIRE((*table)->first_slot(0) == 0);
    REQUIRE((*table)->first_slot(shards) == slot_count);
    for (slot_index slot = 0; slot < slot_count; ++slot) {
      auto shard = (*table)->shard_of_slot(slot);
      auto inside = shard < shards && (*table)->first_slot(shard) <= slot
                    && slot < (*table)->first_slot(shard + 1);
      if (!inside)
        FAIL("slot " << slot << " of " << shards << " shards");
    }
  }
}

TEST_CASE("every shard has distinct owners among the members") {
  std::mt19937_64 random{7};
  for (int round = 0; round < 300; ++round) {
    auto members = random_members(random, 12);
    placement_options options;
    options.shards = 1 + static_cast<std::uint32_t>(random() % 200);
    options.replication_factor =
      1 + static_cast<std::uint32_t>(random() % members.size());
    auto table = *hash_slots::make(options, members);
    for (int change = 0; change < 4; ++change) {
      const std::set<replica_id> allowed{members.begin(), members.end()};
      for (shard_index i = 0; i < table->shard_count(); ++i) {
        auto owners = table->owners_of(i);
        std::set<replica_id> distinct{owners.begin(), owners.end()};
        REQUIRE(distinct.size() == options.replication_factor);
        REQUIRE(std::includes(allowed.begin(), allowed.end(), distinct.begin(),
                              distinct.end()));
      }
      do
        members = random_members(random, 12);
      while (members.size() < options.replication_factor);
      table = *table->rebalance(members);
    }
  }
}

TEST_CASE("members own numbers of shards that differ by at most one") {
  std::mt19937_64 random{11};
  for (int round = 0; round < 300; ++round) {
    auto table = *hash_slots::make(
      {.shards = 1 + static_cast<std::uint32_t>(random() % 300)},
      random_members(random, 12));
    for (int change = 0; change < 3; ++change) {
      std::uint64_t least = ~std::uint64_t{0};
      std::uint64_t most = 0;
      for (auto [member, shards] : shards_by_primary(*table)) {
        least = std::min(least, shards);
        most = std::max(most, shards);
      }
      REQUIRE(most - least <= 1);
      table = *table->rebalance(random_members(random, 12));
    }
  }
}

TEST_CASE("a rebalance moves exactly as many shards as it must") {
  std::mt19937_64 random{13};
  for (int round = 0; round < 500; ++round) {
    auto before = *hash_slots::make(
      {.shards = 1 + static_cast<std::uint32_t>(random() % 300)},
      random_members(random, 12));
    for (int change = 0; change < 3; ++change) {
      auto members = random_members(random, 12);
      auto after = *before->rebalance(members);
      std::uint64_t moves = 0;
      for (shard_index i = 0; i < before->shard_count(); ++i)
        moves += before->owners_of(i).front() != after->owners_of(i).front();
      REQUIRE(moves == fewest_moves(*before, members));
      REQUIRE(after->epoch() == before->epoch() + 1);
      before = after;
    }
  }
}

TEST_CASE("a rebalance to the same members moves nothing") {
  auto before =
    *hash_slots::make({.shards = 64, .replication_factor = 2}, {3, 1, 2});
  auto after = *before->rebalance({1, 2, 3});
  for (shard_index i = 0; i < 64; ++i)
    REQUIRE(std::ranges::equal(before->owners_of(i), after->owners_of(i)));
}

TEST_CASE("tables agree whatever the order of the members") {
  auto a = *hash_slots::make({.shards = 64}, {3, 1, 2});
  auto b = *hash_slots::make({.shards = 64}, {1, 2, 3});
  auto c = *hash_slots::make({.shards = 63}, {1, 2, 3});
  CHECK(a->fingerprint() == b->fingerprint());
  CHECK(a->fingerprint() != c->fingerprint());
  CHECK(a->fingerprint() != (*a->rebalance({1, 2, 3}))->fingerprint());
}

TEST_CASE("a placement that cannot be is refused with the reason") {
  CHECK(hash_slots::make({}, {}).code() == errc::config);
  CHECK(hash_slots::make({}, {0, 1}).code() == errc::config);
  CHECK(hash_slots::make({}, {1, 2, 1}).code() == errc::config);
  CHECK(hash_slots::make({.shards = 0}, {1}).code() == errc::config);
  CHECK(hash_slots::make({.shards = 65'537}, {1}).code() == errc::config);
  CHECK(hash_slots::make({.replication_factor = 2}, {1}).code()
        == errc::config);
}

TEST_CASE("least_loaded picks the candidate with the fewest units") {
  std::vector<node_load> loads{{4, 7}, {2, 3}, {9, 3}};
  CHECK(pick(load_balancing::least_loaded, loads) == 2);
  CHECK(pick(load_balancing::least_loaded, {}) == 0);
}
