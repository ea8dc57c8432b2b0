#include "memory/tiered_cache.hpp"
#include "memory/fixture.test.hpp"
#include "memory/lower_tiers.test.hpp"

#include <array>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace neuroplex;                  // NOLINT
using namespace neuroplex::memory;          // NOLINT
using namespace neuroplex::memory::testing; // NOLINT

namespace {

using operation = faulty_tier::operation;
using fate = faulty_tier::fate;

constexpr auto absent = "(absent)";
constexpr std::uint32_t patient_ms = 600'000; // for a busy machine
constexpr tiered_options back{.writes = write_mode::back};

tiered_cache cache_over(store& db, lower_tier& below,
                        const tiered_options& options = {}) {
  auto made = tiered_cache::make(db, "tiers", &below, options);
  REQUIRE(made);
  return std::move(*made);
}

std::string value_in(tiered_cache& cache, std::string_view key) {
  std::string value;
  auto answer = cache.get(key, value);
  if (answer == errc::not_found)
    return absent;
  return answer == errc::ok ? value
                            : "(" + std::string{code_name(answer)} + ")";
}

/// What the segment alone says.
std::string in_segment(const store& db, const tiered_cache& cache,
                       std::string_view key) {
  std::string value;
  auto answer = db.get(cache.space(), key, value);
  return answer == errc::ok ? value : absent;
}

/// As if the entry had been evicted, which never happens to a pinned one.
void evict(store& db, const tiered_cache& cache, std::string_view key) {
  entry_info info;
  if (db.info(cache.space(), key, info) == errc::ok && !info.pinned)
    REQUIRE(db.erase(cache.space(), key) == errc::ok);
}

/// Two attachments to a segment, as of two processes, over one tier.
struct two_processes {
  segment s{{.segment_bytes = 16 * mebibyte}};
  store other = s.attach();
  faulty_tier tier;
  tiered_cache here;
  tiered_cache there;

  explicit two_processes(const tiered_options& options = {})
    : here{cache_over(s.db, tier, options)}, there{cache_over(other, tier,
                                                              options)} {
  }

  [[nodiscard]] std::string in_tier(std::string_view key) {
    return tier.map().value_of("tiers", key);
  }
};

} // namespace

// -- reading ------------------------------------------------------------------

TEST_CASE("a key that only the tier has is read once from there", "[tiers]") {
  two_processes p;
  REQUIRE(p.there.set("key", "value") == errc::ok);
  evict(p.other, p.there, "key");
  CHECK(value_in(p.here, "key") == "value");
  CHECK(value_in(p.there, "key") == "value");
  CHECK(in_segment(p.other, p.there, "key") == "value");
  CHECK(p.tier.map().gets() == 1);
  CHECK(p.here.stats().tier_hits == 1);
  CHECK(p.there.stats().segment_hits == 1);
}

TEST_CASE("many missing keys are asked for together", "[tiers]") {
  segment s;
  map_tier tier;
  auto here = cache_over(s.db, tier);
  std::vector<std::string> keys;
  std::vector<get_request> requests;
  keys.reserve(200);
  for (int i = 0; i < 200; ++i)
    keys.push_back("key" + std::to_string(i));
  for (int i = 0; i < 200; ++i) {
    if (i % 2 == 0)
      REQUIRE(here.set(keys[i], keys[i]) == errc::ok);
    if (i % 4 == 0)
      evict(s.db, here, keys[i]);
  }
  for (int i = 0; i < 200; ++i) {
    requests.push_back({.key = keys[i], .value = {}});
    if (i == 100)
      requests.push_back({.key = keys[i], .value = {}}); // twice in a batch
  }
  CHECK(here.get_many(requests) == errc::ok);
  for (auto& each : requests) {
    auto number = std::stoi(std::string{each.key.substr(3)});
    REQUIRE(each.status == (number % 2 == 0 ? errc::ok : errc::not_found));
    if (each.status == errc::ok)
      REQUIRE(each.value == each.key);
  }
  CHECK(tier.get_calls() == 3);
}

TEST_CASE("of many readers of a missing key one asks the tier",
          "[tiers][threads]") {
  two_processes p{{.tier_timeout_ms = patient_ms}};
  REQUIRE(p.here.set("key", "value") == errc::ok);
  evict(p.other, p.there, "key");
  gate g;
  p.tier.on_request([&](operation, std::string_view) {
    g.pass();
    return fate::good;
  });
  constexpr unsigned reader_count = 6;
  std::atomic<unsigned> right{0};
  std::vector<std::thread> readers;
  for (unsigned i = 0; i < reader_count; ++i)
    readers.emplace_back([&] { right += value_in(p.here, "key") == "value"; });
  CHECK(eventually([&] { return p.here.stats().joined == reader_count - 1; }));
  CHECK(p.here.stats().in_flight == 1);
  g.open();
  for (auto& each : readers)
    each.join();
  CHECK(right == reader_count);
  CHECK(p.tier.map().gets() == 1);
  CHECK(p.here.stats().in_flight == 0);
}

TEST_CASE("who waits for another's read gives up at the deadline",
          "[tiers][threads]") {
  two_processes p{{.tier_timeout_ms = 20}};
  gate g;
  p.tier.on_request([&](operation, std::string_view) {
    g.pass();
    return fate::good;
  });
  std::thread stuck{[&] { (void)value_in(p.here, "key"); }};
  g.await_arrival();
  CHECK(value_in(p.here, "key") == "(E-DEADLINE)");
  g.open();
  stuck.join();
}

TEST_CASE("an answer of the tier that was overtaken is not kept", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "old") == errc::ok);
  evict(p.other, p.there, "key");
  auto change = GENERATE(0, 1, 2);
  CAPTURE(change);
  bool first = true;
  // The tier has answered "old" when somebody else is faster.
  p.tier.on_done([&](operation what, std::string_view) {
    if (what != operation::get || !std::exchange(first, false))
      return;
    if (change == 0)
      CHECK(p.there.set("key", "new") == errc::ok);
    else if (change == 1)
      CHECK(p.there.erase("key") == errc::ok);
    else
      CHECK(p.other.set(p.there.space(), "key", "new") == errc::ok);
  });
  auto wanted = change == 1 ? absent : "new";
  CHECK(value_in(p.here, "key") == wanted);
  CHECK(in_segment(p.other, p.there, "key") == wanted);
  CHECK(p.here.stats().overtaken == 1);
}

TEST_CASE("a failure of the tier fails the read, and no later one", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "value") == errc::ok);
  evict(p.other, p.there, "key");
  p.tier.on_request([](operation, std::string_view) { return fate::refused; });
  CHECK(value_in(p.here, "key") == "(E-UNAVAILABLE)");
  CHECK(p.here.stats().tier_failures == 1);
  p.tier.on_request({});
  CHECK(value_in(p.here, "key") == "value");
}

TEST_CASE("that a key is absent is remembered, until somebody stores it",
          "[tiers]") {
  two_processes p{{.absence_ttl_ms = 3'600'000}};
  CHECK(value_in(p.here, "key") == absent);
  CHECK(value_in(p.here, "key") == absent);
  CHECK(value_in(p.there, "key") == absent);
  CHECK(p.tier.map().gets() == 1);
  CHECK(p.there.stats().known_absences == 1);
  CHECK(count_entries(p.other, p.there.space()) == 0);
  REQUIRE(p.there.set("key", "value") == errc::ok);
  CHECK(value_in(p.here, "key") == "value");
  // Also if only the tier has it then.
  evict(p.other, p.there, "key");
  CHECK(value_in(p.here, "key") == "value");
}

TEST_CASE("absences keep to their limit", "[tiers]") {
  two_processes p{{.absence_ttl_ms = 3'600'000, .most_absences = 20}};
  for (int i = 0; i < 500; ++i)
    REQUIRE(value_in(p.here, "key" + std::to_string(i)) == absent);
  CHECK(p.other.stats().entries <= 20);
}

TEST_CASE("reads go on where the segment has no room for a marker", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "value") == errc::ok);
  evict(p.other, p.there, "key");
  for (std::size_t size = 64 * kibibyte; size > 0; size /= 2)
    for (int i = 0;; ++i)
      if (p.other.set(default_ns,
                      std::to_string(size) + "." + std::to_string(i),
                      bytes_of(size, 1))
          == errc::no_space)
        break;
  CHECK(value_in(p.here, "key") == "value");
  CHECK(value_in(p.here, "none") == absent);
  CHECK(p.here.set("key", "other") == errc::ok);
  CHECK(value_in(p.there, "key") == "other");
}

// -- write-through ------------------------------------------------------------

TEST_CASE("a write that the tier refused has changed nothing", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "old") == errc::ok);
  p.tier.on_request([](operation, std::string_view) { return fate::refused; });
  CHECK(p.here.set("key", "new") == errc::unavailable);
  CHECK(p.here.set("fresh", "new") == errc::unavailable);
  CHECK(p.here.erase("key") == errc::unavailable);
  CHECK(value_in(p.there, "key") == "old");
  p.tier.on_request({});
  CHECK(value_in(p.there, "fresh") == absent);
  CHECK(p.in_tier("key") == "old");
}

TEST_CASE("after an unknown outcome the tier is asked", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "old") == errc::ok);
  auto outcome = GENERATE(fate::lost, fate::lost_and_undone);
  auto erases = GENERATE(false, true);
  p.tier.on_request([&](operation what, std::string_view) {
    return what == operation::get ? fate::good : outcome;
  });
  CHECK((erases ? p.here.erase("key") : p.here.set("key", "new"))
        == errc::unknown_outcome);
  auto wanted = outcome != fate::lost ? "old" : erases ? absent : "new";
  CHECK(value_in(p.there, "key") == wanted);
  CHECK(value_in(p.here, "key") == wanted);
}

TEST_CASE("writers of two processes leave segment and tier in step",
          "[tiers]") {
  two_processes p;
  auto present = GENERATE(false, true);
  auto erases = GENERATE(false, true);
  auto reads = GENERATE(false, true);
  if (present)
    REQUIRE(p.here.set("key", "before") == errc::ok);
  bool first = true;
  // Our write is in the tier when another comes in between.
  p.tier.on_done([&](operation what, std::string_view) {
    if (what == operation::get || !std::exchange(first, false))
      return;
    CHECK((erases ? p.there.erase("key") : p.there.set("key", "second"))
          == errc::ok);
    if (reads)
      CHECK(value_in(p.there, "key") == (erases ? absent : "second"));
  });
  CHECK(p.here.set("key", "first") == errc::ok);
  auto wanted = p.in_tier("key");
  CHECK(wanted == (erases ? absent : "second"));
  CHECK(value_in(p.here, "key") == wanted);
  CHECK(value_in(p.there, "key") == wanted);
}

TEST_CASE("arguments that can never succeed are refused", "[tiers]") {
  two_processes p;
  CHECK(p.here.set("", "x") == errc::bad_key);
  CHECK(value_in(p.here, "") == "(E-KEY)");
  CHECK(p.here.set(std::string(limits::max_key_bytes + 1, 'k'), "x")
        == errc::key_size);
  CHECK(p.here.set("key", "x", {.ttl_ms = -1}) == errc::bad_ttl);
  CHECK(p.here.set("key", "x", {.keep_ttl = true}) == errc::bad_argument);
  CHECK(tiered_cache::make(p.s.db, "tiers", &p.tier, {.tier_batch = 0}).code()
        == errc::config);
  auto reader = p.s.attach(access_mode::read_only);
  CHECK(tiered_cache::make(reader, "tiers", &p.tier).code() == errc::read_only);
}

TEST_CASE("a lifetime holds in every level", "[tiers]") {
  two_processes p;
  REQUIRE(p.here.set("key", "value", {.ttl_ms = 1}) == errc::ok);
  CHECK(eventually([&] { return value_in(p.there, "key") == absent; }));
  CHECK(p.in_tier("key") == "value"); // which may keep it for a while
  CHECK(value_in(p.here, "key") == absent);
}

// -- write-back ---------------------------------------------------------------

TEST_CASE("write-back answers before the tier and flushes later", "[tiers]") {
  two_processes p{back};
  REQUIRE(p.here.set("key", "one") == errc::ok);
  REQUIRE(p.here.set("key", "two") == errc::ok);
  CHECK(p.in_tier("key") == absent);
  CHECK(value_in(p.there, "key") == "two");
  CHECK(p.here.stats().dirty_entries == 1);
  std::size_t flushed = 0;
  CHECK(p.here.flush(10, flushed) == errc::ok);
  CHECK(flushed == 1);
  CHECK(p.in_tier("key") == "two");
  CHECK(p.here.stats().dirty_entries == 0);
  evict(p.other, p.there, "key");
  CHECK(in_segment(p.other, p.there, "key") == absent);
  CHECK(value_in(p.there, "key") == "two");
}

TEST_CASE("what the tier lacks is not evicted", "[tiers]") {
  two_processes p{back};
  REQUIRE(p.s.db.configure(p.here.space(), {.policy = policy_kind::lru}));
  for (int i = 0; i < 100; ++i)
    REQUIRE(p.here.set("dirty" + std::to_string(i), "value") == errc::ok);
  for (int i = 0; i < 30'000; ++i)
    REQUIRE(
      p.s.db.set(p.here.space(), "cold" + std::to_string(i), bytes_of(1000, 1))
      == errc::ok);
  REQUIRE(p.s.db.stats().evicted > 1000);
  for (int i = 0; i < 100; ++i)
    CHECK(in_segment(p.other, p.there, "dirty" + std::to_string(i)) == "value");
}

TEST_CASE("without credit a write is refused and nothing is stored",
          "[tiers]") {
  two_processes p{{.writes = write_mode::back, .most_dirty_entries = 3}};
  p.tier.on_request([](operation, std::string_view) { return fate::refused; });
  for (int i = 0; i < 3; ++i)
    REQUIRE(p.here.set("key" + std::to_string(i), "value") == errc::ok);
  CHECK(p.here.set("key3", "value") == errc::busy);
  CHECK(in_segment(p.other, p.there, "key3") == absent);
  CHECK(p.here.set("key1", "again") == errc::ok); // is dirty anyway
  CHECK(p.here.stats().no_credit == 1);
  std::size_t flushed = 0;
  CHECK(p.here.flush(10, flushed) == errc::unavailable);
  CHECK(p.here.stats().dirty_entries == 3);
  p.tier.on_request({});
  CHECK(p.here.set("key3", "value") == errc::ok); // flushes by itself
  CHECK(p.here.stats().dirty_entries == 1);
  CHECK(p.in_tier("key1") == "again");
}

TEST_CASE("what a dead process left dirty is found and flushed", "[tiers]") {
  two_processes p{back};
  for (int i = 0; i < 50; ++i)
    REQUIRE(p.here.set("key" + std::to_string(i), "value") == errc::ok);
  REQUIRE(p.s.db.set(p.here.space(), "clean", "value") == errc::ok);
  auto adopted = p.there.adopt_dirty();
  REQUIRE(adopted);
  CHECK(*adopted == 50);
  std::size_t flushed = 0;
  CHECK(p.there.flush(1000, flushed) == errc::ok);
  CHECK(flushed == 50);
  CHECK(p.tier.map().entries().size() == 50);
  CHECK(*p.there.adopt_dirty() == 0);
  auto small = cache_over(
    p.other, p.tier, {.writes = write_mode::back, .most_dirty_entries = 2});
  for (int i = 0; i < 3; ++i)
    REQUIRE(p.here.set("more" + std::to_string(i), "value") == errc::ok);
  CHECK(small.adopt_dirty().code() == errc::busy);
}

TEST_CASE("an erasure comes after a flush that is under way",
          "[tiers][threads]") {
  two_processes p{{.writes = write_mode::back, .tier_timeout_ms = patient_ms}};
  REQUIRE(p.here.set("key", "value") == errc::ok);
  gate g;
  p.tier.on_request([&](operation what, std::string_view) {
    if (what == operation::put)
      g.pass();
    return fate::good;
  });
  std::atomic<errc> flush_answer{errc::internal};
  std::atomic<errc> erase_answer{errc::internal};
  std::thread flusher{[&] {
    std::size_t flushed = 0;
    flush_answer = p.here.flush(1, flushed);
  }};
  g.await_arrival();
  std::thread eraser{[&] { erase_answer = p.here.erase("key"); }};
  g.open();
  flusher.join();
  eraser.join();
  CHECK(flush_answer == errc::ok);
  CHECK(erase_answer == errc::ok);
  CHECK(p.in_tier("key") == absent);
  CHECK(value_in(p.there, "key") == absent);
}

TEST_CASE("a write during its own flush stays dirty", "[tiers]") {
  two_processes p{back};
  REQUIRE(p.here.set("key", "one") == errc::ok);
  bool first = true;
  p.tier.on_done([&](operation what, std::string_view) {
    if (what == operation::put && std::exchange(first, false))
      CHECK(p.here.set("key", "two") == errc::ok);
  });
  std::size_t flushed = 0;
  CHECK(p.here.flush(1, flushed) == errc::ok);
  CHECK(p.in_tier("key") == "one");
  CHECK(p.here.stats().dirty_entries == 1);
  CHECK(p.here.flush(1, flushed) == errc::ok);
  CHECK(p.in_tier("key") == "two");
  CHECK(p.here.stats().dirty_entries == 0);
}

// -- against a model ----------------------------------------------------------

TEST_CASE("three levels behave as a map does", "[tiers]") {
  auto mode = GENERATE(write_mode::through, write_mode::back);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    two_processes p{{.near_bytes = 64 * kibibyte,
                     .near_least_value_bytes = 1,
                     .writes = mode,
                     .most_absences = 16,
                     .most_dirty_entries = 24,
                     .tier_batch = 4}};
    std::mt19937_64 random{seed};
    auto some_fail = [&](operation what, std::string_view) {
      switch (random() % 16) {
        case 0:
          return fate::refused;
        case 1:
          // An erasure that is perhaps done leaves no one answer.
          return what == operation::put && mode == write_mode::back
                   ? fate::lost
                   : fate::good;
        default:
          return fate::good;
      }
    };
    p.tier.on_request(some_fail);
    std::map<std::string, std::string> model;
    std::size_t flushed = 0;
    for (std::size_t i = 0; i < scaled(40'000); ++i) {
      auto key = "key" + std::to_string(random() % 50);
      // In write-back one process writes, both read.
      auto& writer =
        mode == write_mode::back || random() % 2 == 0 ? p.here : p.there;
      auto& reader = random() % 2 == 0 ? p.here : p.there;
      switch (random() % 12) {
        case 0:
        case 1: {
          auto value = bytes_of(random() % 3000, random());
          auto answer = writer.set(key, value);
          REQUIRE((answer == errc::ok || answer == errc::unavailable
                   || answer == errc::busy));
          if (answer == errc::ok)
            model[key] = value;
          break;
        }
        case 2: {
          auto answer = writer.erase(key);
          REQUIRE((answer == errc::ok || answer == errc::unavailable));
          if (answer == errc::ok)
            model.erase(key);
          break;
        }
        case 3:
        case 4:
          evict(p.other, p.there, key);
          break;
        case 5:
          (void)p.here.flush(random() % 8, flushed);
          break;
        case 6:
          if (random() % 50 == 0)
            REQUIRE(p.other.compact(64 * kibibyte));
          break;
        default: {
          auto got = value_in(reader, key);
          auto entry = model.find(key);
          if (got != "(E-UNAVAILABLE)")
            REQUIRE(got == (entry == model.end() ? absent : entry->second));
        }
      }
    }
    p.tier.on_request({});
    while (p.here.stats().dirty_entries > 0)
      REQUIRE(p.here.flush(100, flushed) == errc::ok);
    auto entries = p.tier.map().entries();
    REQUIRE(entries.size() == model.size());
    for (auto& [key, value] : model) {
      REQUIRE(entries[{"tiers", key}].value == value);
      REQUIRE(value_in(p.there, key) == value);
    }
  }
}

TEST_CASE("reads of three levels never go back", "[tiers][threads]") {
  auto mode = GENERATE(write_mode::through, write_mode::back);
  two_processes p{{.near_least_value_bytes = 1, .writes = mode}};
  constexpr unsigned key_count = 3;
  std::array<std::atomic<std::uint64_t>, key_count> done{};
  std::atomic<bool> failed{false};
  std::atomic<bool> stop{false};
  auto key_of = [](unsigned k) { return "key" + std::to_string(k); };
  for (unsigned k = 0; k < key_count; ++k)
    REQUIRE(p.here.set(key_of(k), "0") == errc::ok);
  std::vector<std::thread> threads;
  for (auto* cache : {&p.here, &p.there})
    threads.emplace_back([&, cache] {
      std::string value;
      std::array<std::uint64_t, key_count> seen{};
      for (unsigned i = 0; !stop; ++i) {
        auto k = i % key_count;
        auto least = std::max(seen[k], done[k].load());
        auto answer = cache->get(key_of(k), value);
        if (answer != errc::ok || (seen[k] = std::stoull(value)) < least)
          failed = true;
      }
    });
  threads.emplace_back([&] {
    std::size_t flushed = 0;
    for (unsigned i = 0; !stop; ++i) {
      auto key = key_of(i % key_count);
      // Between look and erasure the entry may become dirty, so in write-back
      // nothing is evicted by hand.
      if (mode == write_mode::through)
        (void)p.other.erase(p.there.space(), key);
      else
        (void)p.here.flush(2, flushed);
    }
  });
  for (std::uint64_t n = 1; n <= scaled(20'000); ++n) {
    auto k = static_cast<unsigned>(n % key_count);
    if (p.here.set(key_of(k), std::to_string(n)) != errc::ok)
      failed = true;
    done[k] = n;
  }
  stop = true;
  for (auto& each : threads)
    each.join();
  CHECK_FALSE(failed);
}
