#include "memory/shadow.hpp"

#include <cstdint>
#include <memory>

#include <catch2/catch.hpp>

using namespace neuroplex::memory;

namespace {

constexpr std::uint32_t limit = 256;

std::uint64_t hash_of(std::uint64_t number) {
  auto hash = (number + 1) * 0xBF58'476D'1CE4'E5B9;
  return (hash ^ hash >> 29) * 0x94D0'49BB'1331'11EB;
}

std::unique_ptr<shadow> make_shadow() {
  auto made = std::make_unique<shadow>();
  made->resize(limit, 4);
  return made;
}

// Hits of so many turns of a loop over `length` keys, but for the first two.
std::uint64_t hits_of_loop(eviction_order order, std::uint64_t length,
                           int turns) {
  auto tried = make_shadow();
  std::uint64_t hits = 0;
  for (int turn = 0; turn < turns; ++turn)
    for (std::uint64_t i = 0; i < length; ++i)
      hits += tried->request(hash_of(i), order) && turn >= 2 ? 1 : 0;
  return hits;
}

} // namespace

TEST_CASE("a shadow never holds more than its limit", "[advice]") {
  for (auto order : advised_orders) {
    auto tried = make_shadow();
    for (std::uint64_t i = 0; i < 20 * limit; ++i) {
      (void)tried->request(hash_of(i), order);
      (void)tried->request(hash_of(i % 100), order);
      REQUIRE(tried->count() <= limit);
    }
    tried->resize(limit / 2, 4);
    (void)tried->request(hash_of(1'000'000), order);
    CHECK(tried->count() <= limit / 2);
  }
}

TEST_CASE("what fits stays, in any order", "[advice]") {
  for (auto order : advised_orders)
    CHECK(hits_of_loop(order, limit / 2, 10) == 8 * limit / 2);
}

TEST_CASE("a loop that does not fit is held in part by who is steady",
          "[advice]") {
  constexpr std::uint64_t length = 3 * limit;
  constexpr int turns = 20;
  CHECK(hits_of_loop(eviction_order::lru, length, turns) == 0);
  CHECK(hits_of_loop(eviction_order::steady, length, turns)
        > (turns - 2) * limit * 8 / 10);
}

TEST_CASE("what is used twice soon and never again is for lru", "[advice]") {
  auto count = [](eviction_order order) {
    auto tried = make_shadow();
    std::uint64_t hits = 0;
    constexpr std::uint64_t distance = limit / 4;
    for (std::uint64_t i = 0; i < 40 * limit; ++i) {
      hits += tried->request(hash_of(i), order) ? 1 : 0;
      if (i >= distance)
        hits += tried->request(hash_of(i - distance), order) ? 1 : 0;
    }
    return hits;
  };
  CHECK(count(eviction_order::lru) > 30 * limit);
  CHECK(count(eviction_order::steady) < 10 * limit);
}

TEST_CASE("a thinner sample forgets the keys that are not in it", "[advice]") {
  auto tried = make_shadow();
  for (std::uint64_t i = 0; i < limit; ++i)
    (void)tried->request(hash_of(i), eviction_order::lru);
  auto before = tried->count();
  tried->thin([](std::uint64_t hash) { return hash % 2 == 0; });
  CHECK(tried->count() < before * 3 / 4);
  for (std::uint64_t i = 0; i < limit; ++i)
    if (hash_of(i) % 2 == 0)
      CHECK(tried->request(hash_of(i), eviction_order::lru));
}
