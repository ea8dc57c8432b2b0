#include "memory/advice.hpp"
#include "memory/fixture.test.hpp"
#include "memory/store_impl.hpp"
#include "memory/store_policies.hpp"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

constexpr std::size_t most = under_tsan ? 300 : 1000;

// Bounds the default namespace to `most` of the entries that `touch` makes.
void bound(store& db, policy_kind policy) {
  REQUIRE(db.set(default_ns, "one", "v") == errc::ok);
  auto bytes = db.namespaces().front().block_bytes;
  REQUIRE(db.erase(default_ns, "one") == errc::ok);
  REQUIRE(
    db.configure(default_ns, {.policy = policy, .quota_bytes = most * bytes}));
}

// As a user of a cache does: asks, and stores what is not there.
bool touch(store& db, std::size_t number) {
  std::string value;
  if (db.get(default_ns, key_of(number), value) == errc::ok)
    return true;
  REQUIRE(db.set(default_ns, key_of(number), "v") == errc::ok);
  return false;
}

double loop(store& db, std::size_t length, int turns) {
  std::size_t hits = 0;
  for (int turn = 0; turn < turns; ++turn)
    for (std::size_t i = 0; i < length; ++i)
      hits += touch(db, i) ? 1 : 0;
  return static_cast<double>(hits) / static_cast<double>(length)
         / static_cast<double>(turns);
}

auto& record_of(store& db) {
  return detail::store_impl::of(db).arena().name_record(0);
}

eviction_order ruling(store& db) {
  return basic_adviser<native_sync>::order_of(record_of(db));
}

// Turns of a loop until it is steadiness that rules; 0 when it never does.
int turns_until_steady(store& db, std::size_t length) {
  for (int turn = 1; turn <= 60; ++turn) {
    (void)loop(db, length, 1);
    if (ruling(db) == eviction_order::steady)
      return turn;
  }
  return 0;
}

} // namespace

TEST_CASE("every policy of the store is known by its name", "[advice]") {
  CHECK(store_policy_names.front() == "noeviction");
  CHECK(store_policy_names.size() == 7);
  CHECK(
    std::find(store_policy_names.begin(), store_policy_names.end(), "adaptive")
    != store_policy_names.end());
  CHECK_FALSE(is_store_policy(policy_kind::arc));
}

TEST_CASE("who leads is left only for one who is clearly ahead", "[advice]") {
  tallies all;
  CHECK(best_order(all, 0, 256) == 0);
  all[2] = {.won = 500, .lost = 499};
  CHECK(best_order(all, 0, 256) == 0);
  all[3] = {.won = 100, .lost = 10};
  CHECK(best_order(all, 0, 256) == 3);
  change_lead(all, 3);
  CHECK(all[3].won == 0);
  CHECK(best_order(all, 3, 256) == 3);
  CHECK(all[0].won - all[0].lost == -90);
}

TEST_CASE("adaptive keeps a part of a loop that does not fit", "[advice]") {
  auto hit_ratio = [](policy_kind policy) {
    segment s{{.segment_bytes = 4 * mebibyte}};
    bound(s.db, policy);
    (void)loop(s.db, 3 * most, 15);
    return loop(s.db, 3 * most, 3);
  };
  CHECK(hit_ratio(policy_kind::lru) < 0.02);
  CHECK(hit_ratio(policy_kind::adaptive) > 0.25);
}

TEST_CASE("adaptive leaves steadiness again when the pattern changes",
          "[advice]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  bound(s.db, policy_kind::adaptive);
  REQUIRE(turns_until_steady(s.db, 3 * most) > 0);
  // Each key twice, within a quarter of what fits, and never again.
  constexpr std::size_t distance = most / 4;
  std::size_t late_hits = 0;
  constexpr std::size_t many = 80 * most;
  for (std::size_t i = 0; i < many; ++i) {
    (void)touch(s.db, 1'000'000 + i);
    if (i >= distance && touch(s.db, 1'000'000 + i - distance)
        && i >= many - 10 * most)
      ++late_hits;
  }
  CHECK(ruling(s.db) != eviction_order::steady);
  CHECK(late_hits > 8 * most);
}

TEST_CASE("what one process learns rules in all, and stays when it is gone",
          "[advice]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  bound(s.db, policy_kind::adaptive);
  {
    auto other = s.attach();
    REQUIRE(turns_until_steady(other, 3 * most) > 0);
    CHECK(ruling(s.db) == eviction_order::steady);
  }
  CHECK(ruling(s.db) == eviction_order::steady);
  CHECK(s.db.order(namespace_id::default_namespace) == "steady");
  CHECK(loop(s.db, 3 * most, 10) > 0.2);
}

TEST_CASE("two processes that share a loop learn it together", "[advice]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  bound(s.db, policy_kind::adaptive);
  auto other = s.attach();
  auto part = [&](std::size_t i) -> store& {
    return i % 2 == 0 ? s.db : other;
  };
  double hits = 0;
  constexpr int turns = 25;
  constexpr int counted = 5;
  for (int turn = 0; turn < turns; ++turn)
    for (std::size_t i = 0; i < 3 * most; ++i)
      if (touch(part(i), i) && turn >= turns - counted)
        ++hits;
  CHECK(hits / (counted * 3 * most) > 0.2);
}

TEST_CASE("a record that was scribbled over costs a bad choice at most",
          "[advice]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  bound(s.db, policy_kind::adaptive);
  auto& record = record_of(s.db);
  std::uint64_t state = 1;
  for (int round = 0; round < 100; ++round) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    auto word = static_cast<std::uint32_t>(state >> 32);
    record.ruling_order.store(static_cast<std::uint8_t>(word));
    record.order_won[word % 4].store(static_cast<std::uint16_t>(word));
    record.order_lost[word / 4 % 4].store(static_cast<std::uint16_t>(~word));
    record.newcomer_share.store(static_cast<std::uint16_t>(word));
    for (std::size_t i = 0; i < 50; ++i)
      (void)touch(s.db, (word + i) % (4 * most));
    CHECK(s.db.namespaces().front().entries <= most);
  }
}

TEST_CASE("all threads advise, and none waits for another",
          "[advice][threads]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  bound(s.db, policy_kind::adaptive);
  constexpr std::size_t threads = 4;
  std::array<std::size_t, threads> wrong{};
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      std::string value;
      for (std::size_t i = 0; i < scaled(100'000); ++i) {
        auto key = key_of((i * 7 + t * 911) % (2 * most));
        if (s.db.get(default_ns, key, value) == errc::ok)
          wrong[t] += value == key ? 0 : 1;
        else if (s.db.set(default_ns, key, key) != errc::ok)
          ++wrong[t];
      }
    });
  for (auto& each : all)
    each.join();
  CHECK(std::count(wrong.begin(), wrong.end(), 0) == threads);
  CHECK(s.db.stats().entries == count_entries(s.db));
}
