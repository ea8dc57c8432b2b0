#include "memory/engine.hpp"
#include "memory/fixture.test.hpp"

#include <limits>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

std::int64_t expiry_of(const store& db, std::string_view key) {
  entry_info info;
  REQUIRE(db.info(default_ns, key, info) == errc::ok);
  return info.expires_at_ms;
}

} // namespace

TEST_CASE("a lifetime is positive and within the clock's range", "[expiry]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "old") == errc::ok);
  for (std::int64_t bad : {std::int64_t{-1}, limits::max_ttl_ms + 1,
                           std::numeric_limits<std::int64_t>::max(),
                           std::numeric_limits<std::int64_t>::min()}) {
    CAPTURE(bad);
    CHECK(s.db.set(default_ns, "k", "new", {.ttl_ms = bad}) == errc::bad_ttl);
    CHECK(s.db.expire(default_ns, "k", bad) == errc::bad_ttl);
  }
  CHECK(s.db.expire(default_ns, "k", 0) == errc::bad_ttl);
  CHECK(s.db.set(default_ns, "k", "new", {.ttl_ms = 5, .keep_ttl = true})
        == errc::bad_ttl);
  CHECK(value_of(s.db, "k") == "old");
  CHECK(s.db.set(default_ns, "k", "new", {.ttl_ms = limits::max_ttl_ms})
        == errc::ok);
  CHECK(value_of(s.db, "k") == "new");
  CHECK(expiry_of(s.db, "k") > limits::max_ttl_ms);
}

TEST_CASE("an entry is gone after its lifetime, for every operation",
          "[expiry]") {
  segment s;
  auto fresh = [&](std::string_view key) {
    REQUIRE(s.db.set(default_ns, key, "1", {.ttl_ms = 1}) == errc::ok);
    REQUIRE(eventually([&] { return !s.db.contains(default_ns, key); }));
  };
  std::string value;
  value_view view;
  entry_info info;
  bool had = true;
  std::int64_t sum = 0;
  std::size_t length = 0;
  fresh("a");
  CHECK(s.db.get(default_ns, "a", value) == errc::not_found);
  CHECK(s.db.view(default_ns, "a", view) == errc::not_found);
  CHECK(s.db.info(default_ns, "a", info) == errc::not_found);
  CHECK(s.db.set_if_present(default_ns, "a", "2") == errc::not_found);
  CHECK(s.db.take(default_ns, "a", value) == errc::not_found);
  CHECK(s.db.expire(default_ns, "a", 1000) == errc::not_found);
  CHECK(s.db.persist(default_ns, "a") == errc::not_found);
  CHECK(s.db.compare_and_swap(default_ns, "a", "1", "2") == errc::not_found);
  CHECK(count_entries(s.db) == 0);
  CHECK(s.db.erase(default_ns, "a") == errc::not_found);
  fresh("b");
  CHECK(s.db.set_if_absent(default_ns, "b", "2") == errc::ok);
  CHECK(expiry_of(s.db, "b") == 0);
  fresh("c");
  CHECK(s.db.increment(default_ns, "c", 7, sum) == errc::ok);
  CHECK(sum == 7);
  CHECK(expiry_of(s.db, "c") == 0);
  fresh("d");
  CHECK(s.db.append(default_ns, "d", "xy", length) == errc::ok);
  CHECK(length == 2);
  fresh("e");
  CHECK(s.db.exchange(default_ns, "e", "2", value, had) == errc::ok);
  CHECK_FALSE(had);
  fresh("f");
  CHECK(s.db.set(default_ns, "f", "2", {.keep_ttl = true}) == errc::ok);
  CHECK(expiry_of(s.db, "f") == 0);
}

TEST_CASE("who keeps the expiry and who takes it away", "[expiry]") {
  segment s;
  constexpr std::int64_t hour = 3'600'000;
  auto set = [&] {
    REQUIRE(s.db.set(default_ns, "k", "1", {.ttl_ms = hour}) == errc::ok);
    return expiry_of(s.db, "k");
  };
  std::int64_t sum = 0;
  std::size_t length = 0;
  std::string value;
  bool had = false;
  auto at = set();
  CHECK(at > 0);
  CHECK(s.db.increment(default_ns, "k", 1, sum) == errc::ok);
  CHECK(expiry_of(s.db, "k") == at);
  CHECK(s.db.append(default_ns, "k", "0", length) == errc::ok);
  CHECK(expiry_of(s.db, "k") == at);
  CHECK(s.db.compare_and_swap(default_ns, "k", "20", "3") == errc::ok);
  CHECK(expiry_of(s.db, "k") == at);
  CHECK(s.db.set(default_ns, "k", "4", {.keep_ttl = true}) == errc::ok);
  CHECK(expiry_of(s.db, "k") == at);
  CHECK(s.db.exchange(default_ns, "k", "5", value, had, {.keep_ttl = true})
        == errc::ok);
  CHECK(expiry_of(s.db, "k") == at);
  CHECK(s.db.compare_and_swap(default_ns, "k", "5", "6", nullptr,
                              {.ttl_ms = 2 * hour})
        == errc::ok);
  CHECK(expiry_of(s.db, "k") > at);
  CHECK(s.db.exchange(default_ns, "k", "7", value, had) == errc::ok);
  CHECK(expiry_of(s.db, "k") == 0);
  set();
  CHECK(s.db.set(default_ns, "k", "8") == errc::ok);
  CHECK(expiry_of(s.db, "k") == 0);
  CHECK(s.db.persist(default_ns, "k") == errc::mismatch);
  CHECK(s.db.expire(default_ns, "k", hour) == errc::ok);
  CHECK(expiry_of(s.db, "k") >= at);
  CHECK(s.db.persist(default_ns, "k") == errc::ok);
  CHECK(expiry_of(s.db, "k") == 0);
  CHECK(value_of(s.db, "k") == "8");
}

TEST_CASE("a batch gives each entry the lifetime it asks for", "[expiry]") {
  segment s;
  auto before = unix_time_ms();
  std::vector<set_request> batch(3);
  batch[0] = {
    .key = "for a minute", .value = "v", .options = {.ttl_ms = 60'000}};
  batch[1] = {.key = "for ever", .value = "v"};
  batch[2] = {.key = "too long", .value = "v", .options = {.ttl_ms = -1}};
  CHECK(s.db.set_many(default_ns, batch) == errc::bad_ttl);
  CHECK(expiry_of(s.db, "for a minute") >= before + 60'000);
  CHECK(expiry_of(s.db, "for a minute") <= unix_time_ms() + 60'000);
  CHECK(expiry_of(s.db, "for ever") == 0);
  CHECK_FALSE(s.db.contains(default_ns, "too long"));
  // Over entries that are there already.
  batch[1].options.ttl_ms = 60'000;
  batch[0].options.keep_ttl = true;
  batch[0].options.ttl_ms = 0;
  batch.pop_back();
  CHECK(s.db.set_many(default_ns, batch) == errc::ok);
  CHECK(expiry_of(s.db, "for a minute") >= before + 60'000);
  CHECK(expiry_of(s.db, "for ever") >= before + 60'000);
}

TEST_CASE("a sweep removes the expired and nothing else", "[expiry]") {
  segment s;
  for (int i = 0; i < 500; ++i) {
    auto key = std::to_string(i);
    REQUIRE(
      s.db.set(default_ns, key, key, {.ttl_ms = i % 2 == 0 ? 1 : 3'600'000})
      == errc::ok);
  }
  REQUIRE(eventually([&] { return count_entries(s.db) == 250; }));
  CHECK(s.db.stats().entries == 500);
  std::size_t total = 0;
  for (scan_cursor cursor; !cursor.done();) {
    std::size_t removed = 0;
    REQUIRE(s.db.sweep_expired(default_ns, cursor, 10, removed) == errc::ok);
    total += removed;
  }
  CHECK(total == 250);
  CHECK(s.db.stats().entries == 250);
  for (int i = 1; i < 500; i += 2)
    CHECK(value_of(s.db, std::to_string(i)) == std::to_string(i));
}
