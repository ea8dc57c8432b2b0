#include "memory/fixture.test.hpp"
#include "memory/stamp.hpp"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

constexpr std::size_t value_bytes = 200;

void configure(store& db, const namespace_settings& settings,
               namespace_id ns = default_ns) {
  auto done = db.configure(ns, settings);
  if (!done)
    FAIL(done.error().to_string());
}

namespace_id make_namespace(store& db, std::string_view name,
                            const namespace_settings& settings) {
  auto made = db.open_namespace(name);
  REQUIRE(made);
  configure(db, settings, *made);
  return *made;
}

/// Stores entries `first` to `last` - 1, each of which must be taken.
void store_range(store& db, std::size_t first, std::size_t last,
                 namespace_id ns = default_ns) {
  for (auto i = first; i < last; ++i)
    REQUIRE(db.set(ns, key_of(i), self_describing(key_of(i), i, value_bytes))
            == errc::ok);
}

std::size_t count_present(const store& db, std::size_t first, std::size_t last,
                          namespace_id ns = default_ns) {
  std::size_t present = 0;
  for (auto i = first; i < last; ++i)
    present += db.contains(ns, key_of(i)) ? 1 : 0;
  return present;
}

/// How many of these entries a pool of this segment holds at most.
std::size_t capacity(const store& db) {
  return db.stats().pool_bytes / (value_bytes + 64);
}

constexpr std::array evicting = {policy_kind::clock,  policy_kind::fifo,
                                 policy_kind::lru,    policy_kind::lfu,
                                 policy_kind::s3fifo, policy_kind::adaptive};

} // namespace

TEST_CASE("a namespace with a policy takes writes without end", "[evict]") {
  for (auto policy : evicting) {
    CAPTURE(to_string(policy));
    segment s{{.segment_bytes = 2 * mebibyte}};
    configure(s.db, {.policy = policy});
    auto many = (under_asan ? 2 : 5) * capacity(s.db);
    double highest = 0;
    for (std::size_t i = 0; i < many; ++i) {
      store_range(s.db, i, i + 1);
      if (i % 64 == 0)
        highest = std::max(highest, s.db.pressure());
    }
    CHECK(value_of(s.db, key_of(many - 1))
          == self_describing(key_of(many - 1), many - 1, value_bytes));
    auto stats = s.db.stats();
    CHECK(stats.entries == count_entries(s.db));
    CHECK(stats.evicted == many - stats.entries);
    // Eviction begins at 85 percent and keeps up with what a refill brings.
    CHECK(highest > 0.80);
    CHECK(highest < 0.90);
  }
}

TEST_CASE("values of all sizes make room for one another", "[evict]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  configure(s.db, {.policy = policy_kind::lru});
  std::uint64_t written = 0;
  auto most = s.db.stats().max_value_bytes;
  const auto volumes = scaled(10);
  for (std::size_t i = 0; written < volumes * s.db.stats().pool_bytes; ++i) {
    auto size = i % 97 == 0 ? most / 2 : (i * i * 31) % 20'000;
    auto key = key_of(i);
    auto value = self_describing(key, i, size);
    REQUIRE(s.db.set(default_ns, key, value) == errc::ok);
    REQUIRE(value_of(s.db, key) == value);
    written += size;
  }
  CHECK(s.db.stats().entries == count_entries(s.db));
}

TEST_CASE("without a policy nothing is ever given up", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  std::size_t count = 0;
  while (s.db.set(default_ns, key_of(count), bytes_of(value_bytes, count))
         == errc::ok)
    ++count;
  CHECK(count_present(s.db, 0, count) == count);
  CHECK(s.db.stats().evicted == 0);
}

TEST_CASE("fifo gives up the oldest", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  configure(s.db, {.policy = policy_kind::fifo});
  auto many = 3 * capacity(s.db);
  for (std::size_t i = 0; i < many; ++i) {
    store_range(s.db, i, i + 1);
    // Use does not help.
    (void)value_of(s.db, key_of(i / 2));
  }
  auto entries = s.db.stats().entries;
  CHECK(count_present(s.db, many - entries / 2, many) == entries / 2);
  CHECK(count_present(s.db, 0, many - 2 * entries) == 0);
}

TEST_CASE("what is in use survives a scan", "[evict]") {
  for (auto policy : {policy_kind::clock, policy_kind::lru, policy_kind::lfu,
                      policy_kind::s3fifo, policy_kind::adaptive}) {
    CAPTURE(to_string(policy));
    segment s{{.segment_bytes = 2 * mebibyte}};
    configure(s.db, {.policy = policy});
    constexpr std::size_t hot = 500;
    store_range(s.db, 0, hot);
    auto many = hot + 6 * capacity(s.db);
    for (auto i = hot; i < many; ++i) {
      (void)value_of(s.db, key_of(i % hot));
      store_range(s.db, i, i + 1);
    }
    CHECK(count_present(s.db, 0, hot) > hot * 98 / 100);
  }
}

TEST_CASE("lfu keeps what was used often over what was used last", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  auto survivors = [&](policy_kind policy) {
    std::uint64_t removed = 0;
    REQUIRE(s.db.clear(default_ns, removed) == errc::ok);
    configure(s.db, {.policy = policy});
    constexpr std::size_t hot = 500;
    store_range(s.db, 0, hot);
    std::size_t next = hot;
    for (auto end = next + 8 * capacity(s.db); next < end; ++next) {
      (void)value_of(s.db, key_of(next % hot));
      store_range(s.db, next, next + 1);
    }
    // Then nobody uses it, while new entries are each used once more.
    for (auto end = next + capacity(s.db); next < end; ++next) {
      store_range(s.db, next, next + 1);
      (void)value_of(s.db, key_of(next));
    }
    return count_present(s.db, 0, hot);
  };
  auto by_frequency = survivors(policy_kind::lfu);
  auto by_recency = survivors(policy_kind::lru);
  CHECK(by_frequency > 450);
  CHECK(by_recency < by_frequency / 2);
}

TEST_CASE("s3fifo lets a scan pass by what has proved itself", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  auto survivors = [&](policy_kind policy) {
    std::uint64_t removed = 0;
    REQUIRE(s.db.clear(default_ns, removed) == errc::ok);
    configure(s.db, {.policy = policy});
    auto proven = capacity(s.db) / 2;
    auto next = proven;
    // Each used again and again, while others make the hand go round, ...
    store_range(s.db, 0, proven);
    for (auto end = next + 4 * capacity(s.db); next < end; ++next) {
      (void)value_of(s.db, key_of(next % proven));
      store_range(s.db, next, next + 1);
    }
    auto before = count_present(s.db, 0, proven);
    // ... then not once, while a scan brings many that nobody asks for again.
    store_range(s.db, next, next + capacity(s.db));
    return std::pair{before, count_present(s.db, 0, proven)};
  };
  auto [before, after] = survivors(policy_kind::s3fifo);
  CHECK(after > before * 9 / 10);
  auto [lru_before, lru_after] = survivors(policy_kind::lru);
  CHECK(lru_after < lru_before / 2);
}

TEST_CASE("what s3fifo gave up and sees again is no newcomer", "[evict]") {
  temporary_path path;
  {
    segment_options shape{.segment_bytes = 2 * mebibyte};
    auto db = store::create(path.str(), shape);
    REQUIRE(db);
    configure(*db, {.policy = policy_kind::s3fifo});
    auto many = 2 * capacity(*db);
    store_range(*db, 0, many);
    auto missing = [&](std::size_t first, std::size_t last) {
      std::vector<std::size_t> found;
      for (auto i = first; i < last; ++i)
        if (!db->contains(default_ns, key_of(i)))
          found.push_back(i);
      return found;
    };
    auto gone = missing(0, many);
    REQUIRE(gone.size() > many / 4);
    // The last ones to go are remembered best.
    gone.erase(gone.begin(),
               gone.end() - static_cast<std::ptrdiff_t>(capacity(*db) / 8));
    for (auto i : gone)
      store_range(*db, i, i + 1);
    store_range(*db, many, many + capacity(*db));
    std::size_t kept = 0;
    for (auto i : gone)
      kept += db->contains(default_ns, key_of(i)) ? 1 : 0;
    CHECK(kept > gone.size() * 3 / 4);
  }
  // A second process finds the policy and its memory there.
  auto again = store::open(path.str());
  REQUIRE(again);
  store_range(*again, 0, 2 * capacity(*again));
  CHECK(again->stats().entries == count_entries(*again));
}

TEST_CASE("pinned entries stay, whoever overwrites them", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  configure(s.db, {.policy = policy_kind::fifo});
  constexpr std::size_t pinned = 100;
  store_range(s.db, 0, pinned);
  for (std::size_t i = 0; i < pinned; ++i)
    REQUIRE(s.db.pin(default_ns, key_of(i)) == errc::ok);
  CHECK(s.db.pin(default_ns, "not there") == errc::not_found);
  store_range(s.db, 0, pinned / 2);
  std::int64_t sum = 0;
  REQUIRE(s.db.increment(default_ns, "counter", 1, sum) == errc::ok);
  REQUIRE(s.db.pin(default_ns, "counter") == errc::ok);
  REQUIRE(s.db.increment(default_ns, "counter", 1, sum) == errc::ok);
  auto many = 4 * capacity(s.db);
  store_range(s.db, pinned, many);
  CHECK(count_present(s.db, 0, pinned) == pinned);
  CHECK(value_of(s.db, "counter") == "2");
  entry_info info;
  REQUIRE(s.db.info(default_ns, key_of(0), info) == errc::ok);
  CHECK(info.pinned);

  for (std::size_t i = 0; i < pinned; ++i)
    REQUIRE(s.db.unpin(default_ns, key_of(i)) == errc::ok);
  REQUIRE(s.db.info(default_ns, key_of(0), info) == errc::ok);
  CHECK_FALSE(info.pinned);
  store_range(s.db, many, 2 * many);
  CHECK(count_present(s.db, 0, pinned) == 0);
}

TEST_CASE("entries that have expired go first", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  configure(s.db, {.policy = policy_kind::lru});
  auto kept = capacity(s.db) / 2;
  store_range(s.db, 0, kept);
  auto brief = capacity(s.db) / 5;
  for (std::size_t i = 0; i < brief; ++i)
    REQUIRE(s.db.set(default_ns, "brief " + std::to_string(i),
                     bytes_of(value_bytes, i), {.ttl_ms = 1})
            == errc::ok);
  eventually([&] {
    return !s.db.contains(default_ns, "brief " + std::to_string(brief - 1));
  });
  // Room for these is only there if the expired ones make it.
  store_range(s.db, kept, kept + brief);
  CHECK(count_present(s.db, 0, kept + brief) >= (kept + brief) * 99 / 100);
}

TEST_CASE("pressure of one class never takes from a higher one", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  auto of = [&](std::string_view name, priority_class priority) {
    return make_namespace(s.db, name,
                          {.policy = policy_kind::lru, .priority = priority});
  };
  auto general = of("general", priority_class::general);
  auto training = of("training", priority_class::training);
  auto inference = of("inference", priority_class::inference);
  auto critical = of("critical", priority_class::critical);
  auto share = capacity(s.db) / 5;
  for (auto ns : {general, training, inference, critical})
    store_range(s.db, 0, share, ns);

  // Half the pool more of the lowest takes from itself alone.
  store_range(s.db, share, 4 * share, general);
  CHECK(count_present(s.db, 0, share, training) == share);
  CHECK(count_present(s.db, 0, share, inference) == share);
  CHECK(count_present(s.db, 0, share, critical) == share);

  // The next one takes from the lowest as long as that has any.
  store_range(s.db, share, 2 * share, training);
  CHECK(count_present(s.db, 0, 2 * share, training) == 2 * share);
  CHECK(count_present(s.db, 0, 4 * share, general) <= share * 6 / 5);
  CHECK(count_present(s.db, 0, share, inference) == share);

  // All memory to the highest: the lower ones go, from below.
  store_range(s.db, share, 6 * share, critical);
  CHECK(count_present(s.db, 0, 4 * share, general) == 0);
  CHECK(count_present(s.db, 0, 2 * share, training) == 0);
  CHECK(count_present(s.db, 0, share, inference) == 0);

  // And now those below can have none of it.
  std::size_t refused = 0;
  auto held = s.db.stats().entries;
  for (std::size_t i = 0; i < 6 * share; ++i)
    if (s.db.set(general, key_of(i), bytes_of(value_bytes, i))
        == errc::no_space)
      ++refused;
  CHECK(refused == 0); // it makes room for itself within what is left
  CHECK(count_present(s.db, 0, 6 * share, critical) == held);
}

TEST_CASE("a namespace at its quota makes room by itself", "[evict]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  constexpr std::uint64_t quota = 256 * kibibyte;
  auto bounded = make_namespace(
    s.db, "bounded", {.policy = policy_kind::clock, .quota_bytes = quota});
  auto other = make_namespace(s.db, "other", {.policy = policy_kind::clock});
  store_range(s.db, 0, 1000, other);
  auto bytes_of_bounded = [&] {
    for (auto& each : s.db.namespaces())
      if (each.id == bounded)
        return each.block_bytes;
    return std::uint64_t{0};
  };
  for (std::size_t i = 0; i < 5000; ++i) {
    store_range(s.db, i, i + 1, bounded);
    if (i % 16 == 0)
      REQUIRE(bytes_of_bounded() <= quota);
  }
  CHECK(bytes_of_bounded() > quota * 9 / 10);
  CHECK(count_present(s.db, 0, 1000, other) == 1000);
  // Growing an entry counts as well.
  std::size_t length = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    REQUIRE(s.db.append(bounded, "growing", bytes_of(100, i), length)
            == errc::ok);
    REQUIRE(bytes_of_bounded() <= quota);
  }
}

TEST_CASE("a quota without a policy refuses", "[evict]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  constexpr std::uint64_t quota = 64 * kibibyte;
  auto bounded = make_namespace(s.db, "bounded", {.quota_bytes = quota});
  std::size_t count = 0;
  while (s.db.set(bounded, key_of(count), bytes_of(value_bytes, count))
         == errc::ok)
    ++count;
  CHECK(count * (value_bytes + 24) < quota);
  CHECK(count * (value_bytes + 72) > quota);
  CHECK(count_present(s.db, 0, count, bounded) == count);
  // What takes no more than before is no question of the quota.
  CHECK(s.db.set(bounded, key_of(0), bytes_of(value_bytes, 1)) == errc::ok);
  std::size_t length = 0;
  CHECK(s.db.append(bounded, key_of(0), bytes_of(1000, 1), length)
        == errc::no_space);
  CHECK(value_of(s.db, key_of(0), bounded) == bytes_of(value_bytes, 1));
  // A larger quota helps at once.
  configure(s.db, {.quota_bytes = 2 * quota}, bounded);
  CHECK(s.db.set(bounded, key_of(count), "v") == errc::ok);
}

TEST_CASE("entries take the lifetime of their namespace", "[evict]") {
  segment s;
  auto ns = make_namespace(s.db, "brief", {.default_ttl_ms = 60'000});
  auto expires = [&](std::string_view key) {
    entry_info info;
    REQUIRE(s.db.info(ns, key, info) == errc::ok);
    return info.expires_at_ms;
  };
  REQUIRE(s.db.set(ns, "set", "v") == errc::ok);
  std::int64_t sum = 0;
  REQUIRE(s.db.increment(ns, "incremented", 1, sum) == errc::ok);
  std::size_t length = 0;
  REQUIRE(s.db.append(ns, "appended", "v", length) == errc::ok);
  std::array<set_request, 1> batch{{{"batch", "v", {}, errc::ok}}};
  REQUIRE(s.db.set_many(ns, batch) == errc::ok);
  for (std::string_view key : {"set", "incremented", "appended", "batch"}) {
    CAPTURE(key);
    CHECK(expires(key) != 0);
  }
  REQUIRE(s.db.persist(ns, "set") == errc::ok);
  CHECK(expires("set") == 0);
  // What keeps the expiry keeps that there is none.
  REQUIRE(s.db.append(ns, "set", "v", length) == errc::ok);
  CHECK(expires("set") == 0);
}

TEST_CASE("settings outlive the process and hold for all", "[evict]") {
  temporary_path path;
  namespace_settings wanted{.policy = policy_kind::lfu,
                            .priority = priority_class::inference,
                            .quota_bytes = 12'345,
                            .default_ttl_ms = 67};
  {
    auto made = store::create(path.str(), {});
    REQUIRE(made);
    auto ns = made->open_namespace("kept");
    REQUIRE(ns);
    CHECK(*made->settings(*ns) == namespace_settings{});
    configure(*made, wanted, *ns);
    auto other = store::open(path.str());
    REQUIRE(other);
    CHECK(*other->settings(*ns) == wanted);
  }
  auto again = store::open(path.str());
  REQUIRE(again);
  auto ns = again->find_namespace("kept");
  REQUIRE(ns);
  CHECK(*again->settings(*ns) == wanted);
  REQUIRE(again->drop_namespace("kept"));
  // A successor with the same number begins anew.
  auto successor = again->open_namespace("successor");
  REQUIRE(successor);
  CHECK(*again->settings(*successor) == namespace_settings{});
}

TEST_CASE("settings that cannot be are refused by name", "[evict]") {
  segment s;
  auto refused = [&](const namespace_settings& settings) {
    auto done = s.db.configure(default_ns, settings);
    REQUIRE_FALSE(done);
    CHECK(done.code() == errc::config);
    CHECK(*s.db.settings(default_ns) == namespace_settings{});
    return done.error().to_string();
  };
  CHECK_THAT(refused({.policy = policy_kind::arc}),
             Catch::Contains("policy 'arc'"));
  CHECK_THAT(refused({.priority = static_cast<priority_class>(4)}),
             Catch::Contains("priority class 4"));
  CHECK_THAT(refused({.default_ttl_ms = -1}),
             Catch::Contains("lifetime of -1 ms"));
  CHECK(s.db.configure(namespace_id{77}, {}).code() == errc::bad_namespace);
  CHECK(s.db.set_eviction_percent(0).code() == errc::config);
  CHECK(s.db.set_eviction_percent(101).code() == errc::config);
  auto reader = s.attach(access_mode::read_only);
  CHECK(reader.configure(default_ns, {.policy = policy_kind::lru}).code()
        == errc::read_only);
}

TEST_CASE("priority classes are known by their names", "[evict]") {
  for (std::string_view name : {"general", "training", "inference", "critical"})
    CHECK(to_string(*parse_priority_class(name)) == name);
  CHECK_FALSE(parse_priority_class("Critical"));
}

TEST_CASE("pressure is relieved on request, to the threshold", "[evict]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  for (std::size_t next = 0; s.db.pressure() < 0.7; next += 64)
    store_range(s.db, next, next + 64);
  std::size_t evicted = 0;
  REQUIRE(s.db.set_eviction_percent(50));
  // Without a policy nothing is given up.
  REQUIRE(s.db.relieve_pressure(1'000'000, evicted) == errc::ok);
  CHECK(evicted == 0);
  configure(s.db, {.policy = policy_kind::clock});
  REQUIRE(s.db.relieve_pressure(10, evicted) == errc::ok);
  CHECK(evicted == 10);
  REQUIRE(s.db.relieve_pressure(1'000'000, evicted) == errc::ok);
  CHECK(s.db.pressure() <= 0.5);
  CHECK(s.db.pressure() > 0.4);
  CHECK(s.db.stats().eviction_percent == 50);
}

TEST_CASE("a reader without the right to write leaves no trace", "[evict]") {
  segment s;
  configure(s.db, {.policy = policy_kind::lru});
  store_range(s.db, 0, 100);
  auto reader = s.attach(access_mode::read_only);
  for (std::size_t i = 0; i < 100; ++i)
    CHECK(describes_itself(key_of(i), value_of(reader, key_of(i))));
}

TEST_CASE("eviction under many threads keeps every value whole",
          "[evict][threads]") {
  segment s{{.segment_bytes = 2 * mebibyte, .bucket_count = 64}};
  auto low = make_namespace(s.db, "low", {.policy = policy_kind::lru});
  auto high = make_namespace(
    s.db, "high",
    {.policy = policy_kind::clock, .priority = priority_class::critical});
  constexpr std::size_t threads = 4;
  // Few, since each thread keeps some blocks of each size, which would be all
  // that there are in so small a segment.
  constexpr std::size_t sizes = 8;
  const auto rounds = scaled(60'000);
  std::atomic<std::size_t> torn{0};
  std::atomic<std::size_t> refused{0};
  std::vector<std::thread> all;
  for (std::size_t t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      std::string value;
      for (std::size_t i = 0; i < rounds; ++i) {
        auto number = (i * 2'654'435'761U + t) % 20'000;
        auto key = key_of(number);
        auto ns = number % 3 == 0 ? high : low;
        if (i % 3 != 0) {
          if (s.db.get(ns, key, value) == errc::ok
              && !describes_itself(key, value))
            ++torn;
        } else if (s.db.set(ns, key,
                            self_describing(key, i, number % sizes * 200))
                     != errc::ok
                   && ns == high) {
          ++refused; // the low class may find that the high one has it all
        }
      }
    });
  for (auto& each : all)
    each.join();
  CHECK(torn == 0);
  CHECK(refused == 0);
  auto stats = s.db.stats();
  CHECK(stats.evicted > 0);
  CHECK(stats.entries == count_entries(s.db, low) + count_entries(s.db, high));
  std::uint64_t removed = 0;
  REQUIRE(s.db.clear(low, removed) == errc::ok);
  REQUIRE(s.db.clear(high, removed) == errc::ok);
  CHECK(s.db.stats().live_block_bytes == 0);
}

TEST_CASE("a stamp is never taken for a link, and ages", "[evict]") {
  auto made = stamp::fresh(7);
  CHECK(stamp::is_stamp(made));
  CHECK(stamp::age(made, 7) == 0);
  CHECK(stamp::age(made, 10) == 3);
  // The clock wraps; what lies in the future counts as new.
  CHECK(stamp::age(stamp::fresh(stamp::clock_mask), 2) == 3);
  CHECK(stamp::age(made, 5) == 0);
  auto used = stamp::with_uses(stamp::with_clock(made, 9), 5);
  CHECK(stamp::uses(used) == 5);
  CHECK(stamp::age(used, 10) == 1);
  auto kept = stamp::with(stamp::pinning::pin, used);
  CHECK((kept & stamp::pinned) != 0);
  CHECK(stamp::uses(kept) == 5);
  CHECK(stamp::with(stamp::pinning::as_before, kept) == kept);
  CHECK(stamp::with(stamp::pinning::unpin, kept) == used);
}
