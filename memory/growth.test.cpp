#include "memory/fixture.test.hpp"

#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("the index doubles ten times and keeps every entry", "[growth]") {
  segment s{{.segment_bytes = 16 * mebibyte,
             .reserved_bytes = 512 * mebibyte,
             .bucket_count = 1,
             .huge_pages = false}};
  auto lines = s.db.stats().index_lines;
  std::size_t count = 0;
  // Telling the statistics is slow, so it is asked for rarely.
  constexpr unsigned doublings = under_asan ? 5 : 10;
  while (s.db.stats().index_lines < lines << doublings) {
    REQUIRE(count < 3'000'000);
    for (int i = 0; i < 4000; ++i, ++count)
      REQUIRE(
        s.db.set(default_ns, std::to_string(count), std::to_string(~count))
        == errc::ok);
  }
  CHECK(s.db.stats().index_doublings >= doublings);
  auto other = s.attach();
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(value_of(other, std::to_string(i)) == std::to_string(~i));
  CHECK(other.stats().entries == count);
  CHECK(count_entries(other) == count);
  CHECK(*other.verify() == 0);
}

TEST_CASE("the index can be told to grow, up to its end", "[growth]") {
  segment s{{.segment_bytes = mebibyte, .bucket_count = 64}};
  for (int i = 0; i < 700; ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i), "v") == errc::ok);
  auto answer = errc::ok;
  int doublings = 0;
  for (std::size_t i = 0; i < 10'000'000 && answer != errc::no_space; ++i) {
    answer = s.db.grow_index().code();
    REQUIRE(
      (answer == errc::ok || answer == errc::busy || answer == errc::no_space));
    doublings += answer == errc::ok ? 1 : 0;
    // Operations carry the doubling along.
    REQUIRE(s.db.set(default_ns, std::to_string(i % 700), "v") == errc::ok);
  }
  CHECK(answer == errc::no_space);
  CHECK(doublings >= 3);
  CHECK(count_entries(s.db) == 700);
}

TEST_CASE("a scan shows what stays, while the index doubles under it",
          "[growth][scan]") {
  segment s{{.segment_bytes = 4 * mebibyte,
             .reserved_bytes = 64 * mebibyte,
             .bucket_count = 64,
             .huge_pages = false}};
  std::set<std::string> staying;
  for (int i = 0; i < 400; ++i)
    staying.insert("stay" + std::to_string(i));
  for (auto& key : staying)
    REQUIRE(s.db.set(default_ns, key, key) == errc::ok);
  std::size_t added = 0;
  std::set<std::string> seen;
  auto before = s.db.stats().index_doublings;
  for (scan_cursor cursor; !cursor.done();) {
    REQUIRE(s.db.scan(default_ns, cursor, 8, [&](const scan_entry& entry) {
      seen.insert(std::string{entry.key});
    }) == errc::ok);
    // Bounded, or the scan would never catch up with the growth.
    for (int i = 0; i < 200 && added < 10'000; ++i, ++added)
      REQUIRE(s.db.set(default_ns, "new" + std::to_string(added), "v")
              == errc::ok);
  }
  CHECK(s.db.stats().index_doublings >= before + 2);
  for (auto& key : staying)
    CHECK(seen.count(key) == 1);
}

TEST_CASE("a cursor is a number that another process can go on from",
          "[scan]") {
  segment s;
  for (int i = 0; i < 2000; ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i), "v") == errc::ok);
  auto other = s.attach(access_mode::read_only);
  std::map<std::string, int> seen;
  scan_cursor cursor;
  for (int turn = 0; !cursor.done(); ++turn) {
    auto& db = turn % 2 == 0 ? s.db : other;
    scan_cursor here{cursor.position};
    REQUIRE(db.scan(
              default_ns, here, 50,
              [&](const scan_entry& entry) {
                ++seen[std::string{entry.key}];
                CHECK(entry.value.empty());
                CHECK(entry.info.value_bytes == 1);
              },
              false)
            == errc::ok);
    cursor = here;
  }
  CHECK(seen.size() == 2000);
  for (auto& [key, times] : seen)
    CHECK(times == 1);
  for (std::uint64_t wild : {std::uint64_t{1} << 32, std::uint64_t{1} << 63,
                             ~std::uint64_t{0} - 1}) {
    scan_cursor invalid{wild};
    CHECK(s.db.scan(default_ns, invalid, 1, [](const scan_entry&) {})
          == errc::ok);
    CHECK(invalid.done());
  }
}

TEST_CASE("a scan with a count of nothing still ends", "[scan]") {
  segment s;
  for (int i = 0; i < 100; ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i), "v") == errc::ok);
  std::size_t seen = 0;
  std::size_t calls = 0;
  for (scan_cursor cursor; !cursor.done(); ++calls) {
    REQUIRE(calls < 100'000);
    REQUIRE(s.db.scan(default_ns, cursor, 0, [&](const scan_entry&) { ++seen; })
            == errc::ok);
  }
  CHECK(seen == 100);
}

TEST_CASE("threads that end give their slot back", "[threads]") {
  segment s;
  for (std::size_t i = 0; i < scaled(10'000); ++i)
    std::thread{[&] {
      (void)s.db.set(default_ns, "k" + std::to_string(i % 100), "v");
    }}.join();
  CHECK(s.db.stats().threads <= 4);
  CHECK(s.db.stats().entries <= 100);
}

TEST_CASE("with all thread slots taken one can still read", "[threads]") {
  segment s{{.segment_bytes = mebibyte}};
  REQUIRE(s.db.set(default_ns, "k", "v") == errc::ok);
  auto slots = s.db.stats().max_threads;
  std::vector<std::thread> holders;
  std::atomic<unsigned> ready{0};
  std::atomic<bool> leave{false};
  for (unsigned i = 0; i + 1 < slots; ++i)
    holders.emplace_back([&] {
      (void)s.db.set(default_ns, "k", "v");
      ++ready;
      while (!leave)
        std::this_thread::yield();
    });
  REQUIRE(eventually([&] { return ready == slots - 1; }));
  CHECK(s.db.stats().threads == slots);
  std::thread{[&] {
    auto written = s.db.set(default_ns, "k", "w");
    value_view view;
    auto viewed = s.db.view(default_ns, "k", view);
    auto read = value_of(s.db, "k");
    auto counted = count_entries(s.db);
    // Catch2 may be used from here: nobody else asserts meanwhile.
    CHECK(written == errc::too_many);
    CHECK(viewed == errc::too_many);
    CHECK(read == "v");
    CHECK(counted == 1);
  }}.join();
  CHECK(store::open(s.path.str()).code() == errc::too_many);
  leave = true;
  for (auto& each : holders)
    each.join();
  std::thread{[&] {
    CHECK(s.db.set(default_ns, "k", "w") == errc::ok);
  }}.join();
}

TEST_CASE("there are as many attachments as the segment has records",
          "[attach][limits]") {
  segment s{{.segment_bytes = mebibyte}};
  std::vector<store> attached;
  auto most = s.db.stats().max_participants;
  for (unsigned i = 1; i < most; ++i)
    attached.push_back(s.attach());
  CHECK(s.db.stats().participants == most);
  CHECK(store::open(s.path.str()).code() == errc::too_many);
  CHECK(store::open(s.path.str(), access_mode::read_only));
  attached.pop_back();
  CHECK(store::open(s.path.str()));
}
