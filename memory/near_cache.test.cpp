#include "memory/fixture.test.hpp"
#include "memory/tiered_cache.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace neuroplex;                  // NOLINT
using namespace neuroplex::memory;          // NOLINT
using namespace neuroplex::memory::testing; // NOLINT

namespace {

constexpr std::size_t copied_bytes = 2000; // of a value that is worth a copy

tiered_cache cache_over(store& db, const tiered_options& options = {}) {
  auto made = tiered_cache::make(db, "near", nullptr, options);
  REQUIRE(made);
  return std::move(*made);
}

std::string copy_in(tiered_cache& cache, std::string_view key) {
  std::string value;
  auto answer = cache.get(key, value);
  return answer == errc::ok ? value
                            : "(" + std::string{code_name(answer)} + ")";
}

/// Reads often enough that there is a copy, and sees to it that it is used.
void warm(tiered_cache& cache, std::string_view key) {
  for (int i = 0; i < 3; ++i)
    (void)copy_in(cache, key);
  auto before = cache.stats().near_hits;
  (void)copy_in(cache, key);
  REQUIRE(cache.stats().near_hits == before + 1);
}

} // namespace

TEST_CASE("a copy is not served once another process changed the entry",
          "[near]") {
  segment s{{.segment_bytes = 16 * mebibyte}};
  auto other = s.attach();
  auto cache = cache_over(s.db);
  auto ns = cache.space();
  auto old_value = bytes_of(copied_bytes, 1);
  auto new_value = bytes_of(copied_bytes, 2);
  REQUIRE(other.set(ns, "key", old_value) == errc::ok);
  warm(cache, "key");
  REQUIRE(copy_in(cache, "key") == old_value);

  SECTION("by an overwrite") {
    REQUIRE(other.set(ns, "key", new_value) == errc::ok);
    CHECK(copy_in(cache, "key") == new_value);
    CHECK(cache.stats().near_stale == 1);
  }
  SECTION("by an overwrite that returns to the block it came from") {
    for (int i = 0; i < 400; ++i) {
      warm(cache, "key");
      auto next = bytes_of(copied_bytes, static_cast<std::uint64_t>(i) + 10);
      REQUIRE(other.set(ns, "key", next) == errc::ok);
      REQUIRE(copy_in(cache, "key") == next);
    }
  }
  SECTION("by an erasure") {
    REQUIRE(other.erase(ns, "key") == errc::ok);
    CHECK(copy_in(cache, "key") == "(E-NOTFOUND)");
  }
  SECTION("by a lifetime") {
    REQUIRE(other.expire(ns, "key", 1) == errc::ok);
    CHECK(eventually([&] { return copy_in(cache, "key") == "(E-NOTFOUND)"; }));
  }
  SECTION("by dropping the namespace") {
    REQUIRE(other.drop_namespace("near"));
    CHECK(copy_in(cache, "key") == "(E-NOTFOUND)");
  }
  SECTION("by a doubling of the index, which changes no value") {
    for (int i = 0; i < 20'000; ++i)
      REQUIRE(other.set(ns, "filler" + std::to_string(i), "x") == errc::ok);
    REQUIRE(other.set(ns, "key", new_value) == errc::ok);
    CHECK(copy_in(cache, "key") == new_value);
  }
}

TEST_CASE("a copy is not served once its lifetime is over", "[near]") {
  segment s;
  auto cache = cache_over(s.db);
  REQUIRE(cache.set("key", bytes_of(copied_bytes, 1), {.ttl_ms = 1'000})
          == errc::ok);
  for (int i = 0; i < 5; ++i)
    (void)copy_in(cache, "key"); // from a copy, if it lives so long
  CHECK(eventually([&] { return copy_in(cache, "key") == "(E-NOTFOUND)"; }));
}

TEST_CASE("a copy is handed out without copying again", "[near]") {
  segment s;
  auto cache = cache_over(s.db);
  auto value = bytes_of(copied_bytes, 1);
  REQUIRE(cache.set("key", value) == errc::ok);
  warm(cache, "key");
  std::shared_ptr<const std::string> first;
  std::shared_ptr<const std::string> second;
  REQUIRE(cache.get("key", first) == errc::ok);
  REQUIRE(cache.get("key", second) == errc::ok);
  CHECK(first == second);
  // What was handed out stays as it is.
  REQUIRE(cache.set("key", "other") == errc::ok);
  CHECK(*first == value);
}

TEST_CASE("what is read once is not copied", "[near]") {
  segment s{{.segment_bytes = 16 * mebibyte}};
  auto cache = cache_over(s.db);
  for (int i = 0; i < 1000; ++i) {
    auto key = "key" + std::to_string(i);
    REQUIRE(cache.set(key, bytes_of(copied_bytes, 1)) == errc::ok);
    (void)copy_in(cache, key);
  }
  // A few may look as if they had been asked for before.
  CHECK(cache.stats().near_entries < 50);
}

TEST_CASE("short values are not copied, but where they are packed", "[near]") {
  segment s;
  auto cache = cache_over(s.db);
  std::string text(500, 'a');
  REQUIRE(cache.set("short", text) == errc::ok);
  for (int i = 0; i < 5; ++i)
    CHECK(copy_in(cache, "short") == text);
  CHECK(cache.stats().near_entries == 0);
  REQUIRE(
    s.db.configure(cache.space(), {.compression = compression_mode::adaptive}));
  REQUIRE(cache.set("short", text) == errc::ok);
  warm(cache, "short");
  CHECK(copy_in(cache, "short") == text);
}

TEST_CASE("copies keep to their limit, and the hot ones stay", "[near]") {
  segment s{{.segment_bytes = 64 * mebibyte}};
  constexpr std::size_t limit = 256 * kibibyte;
  auto cache = cache_over(s.db, {.near_bytes = limit});
  std::mt19937_64 random{7};
  for (int i = 0; i < 2000; ++i) {
    auto key = "key" + std::to_string(i);
    REQUIRE(cache.set(key, bytes_of(1024 + random() % 20'000, 1)) == errc::ok);
  }
  for (int i = 0; i < 20'000; ++i) {
    // Every other read is of one of four keys.
    auto key = "key" + std::to_string(random() % (i % 2 == 0 ? 4 : 2000));
    REQUIRE(copy_in(cache, key).size() >= 1024);
    REQUIRE(cache.stats().near_bytes <= limit);
  }
  CHECK(cache.stats().near_hits > 8'000);
}

TEST_CASE("a copy is not served after the store was closed", "[near]") {
  segment s;
  auto cache = cache_over(s.db);
  REQUIRE(cache.set("key", bytes_of(copied_bytes, 1)) == errc::ok);
  warm(cache, "key");
  s.db.close();
  CHECK(copy_in(cache, "key") == "(E-CLOSED)");
}

TEST_CASE("what is read from copies is not evicted as unused", "[near]") {
  segment s{{.segment_bytes = 8 * mebibyte}};
  auto cache = cache_over(s.db);
  REQUIRE(s.db.configure(cache.space(), {.policy = policy_kind::lru}));
  auto hot = bytes_of(copied_bytes, 1);
  REQUIRE(cache.set("hot", hot) == errc::ok);
  warm(cache, "hot");
  for (int i = 0; i < 20'000; ++i) {
    REQUIRE(
      s.db.set(cache.space(), "cold" + std::to_string(i), bytes_of(1000, 1))
      == errc::ok);
    if (i % 8 == 0)
      REQUIRE(copy_in(cache, "hot") == hot);
  }
  CHECK(s.db.stats().evicted > 10'000);
}

TEST_CASE("copies behave as a map does beside another process", "[near]") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
    auto other = s.attach();
    auto cache = cache_over(
      s.db, {.near_bytes = 128 * kibibyte, .near_least_value_bytes = 1});
    auto beside = cache_over(other, {.near_least_value_bytes = 1});
    auto ns = cache.space();
    std::map<std::string, std::string> model;
    std::mt19937_64 random{seed};
    for (std::size_t i = 0; i < scaled(60'000); ++i) {
      auto key = "key" + std::to_string(random() % 60);
      auto& from = random() % 2 == 0 ? cache : beside;
      switch (random() % 16) {
        case 0: {
          auto value = bytes_of(random() % 6000, random());
          REQUIRE(other.set(ns, key, value) == errc::ok);
          model[key] = value;
          break;
        }
        case 1: {
          auto value = bytes_of(random() % 6000, random());
          REQUIRE(from.set(key, value) == errc::ok);
          model[key] = value;
          break;
        }
        case 2:
          REQUIRE(from.erase(key) == errc::ok);
          model.erase(key);
          break;
        case 3:
          if (random() % 20 == 0)
            REQUIRE(s.db.compact(kibibyte * 64));
          if (random() % 200 == 0)
            (void)s.db.grow_index();
          break;
        default: {
          auto entry = model.find(key);
          REQUIRE(copy_in(from, key)
                  == (entry == model.end() ? "(E-NOTFOUND)" : entry->second));
        }
      }
    }
    CHECK(cache.stats().near_hits > 0);
    CHECK(cache.stats().near_stale > 0);
  }
}

TEST_CASE("copies never go back behind what was written", "[near][threads]") {
  segment s{{.segment_bytes = 16 * mebibyte}};
  auto other = s.attach();
  auto cache = cache_over(s.db);
  auto ns = cache.space();
  constexpr unsigned key_count = 4;
  std::array<std::atomic<std::uint64_t>, key_count> done{};
  std::atomic<bool> failed{false};
  std::atomic<bool> stop{false};
  auto key_of = [](unsigned k) { return "key" + std::to_string(k); };
  auto value_of = [](std::uint64_t n) {
    auto digits = std::to_string(n);
    return digits + "." + std::string(copied_bytes, 'v');
  };
  for (unsigned k = 0; k < key_count; ++k)
    REQUIRE(other.set(ns, key_of(k), value_of(0)) == errc::ok);
  std::vector<std::thread> readers;
  for (unsigned t = 0; t < 2; ++t)
    readers.emplace_back([&, t] {
      std::string value;
      std::array<std::uint64_t, key_count> seen{};
      for (unsigned i = t; !stop; ++i) {
        auto k = i % key_count;
        auto least = std::max(seen[k], done[k].load());
        if (cache.get(key_of(k), value) != errc::ok
            || (seen[k] = std::stoull(value)) < least)
          failed = true;
      }
    });
  for (std::uint64_t n = 1; n <= scaled(40'000); ++n) {
    auto k = static_cast<unsigned>(n % key_count);
    if (other.set(ns, key_of(k), value_of(n)) != errc::ok)
      failed = true;
    done[k] = n;
    if (n % 64 == 0)
      std::this_thread::yield();
  }
  stop = true;
  for (auto& each : readers)
    each.join();
  CHECK_FALSE(failed);
}
