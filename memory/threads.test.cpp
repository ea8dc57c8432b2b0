// Many threads, two attachments, every operation at once. Catch2 may not be
// used from several threads, so workers count what is wrong.
#include "memory/fixture.test.hpp"

#include <array>
#include <functional>
#include <random>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

void run_together(std::size_t count,
                  const std::function<void(std::size_t)>& body) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&body, i] { body(i); });
  for (auto& each : threads)
    each.join();
}

std::string key_name(std::uint64_t number) {
  return "key" + std::to_string(number);
}

} // namespace

TEST_CASE("increments from many threads add up", "[threads]") {
  segment s;
  auto other = s.attach();
  constexpr std::size_t threads = 4;
  auto rounds = scaled(20'000);
  std::atomic<std::size_t> wrong{0};
  run_together(threads, [&](std::size_t me) {
    auto& db = me % 2 == 0 ? s.db : other;
    for (std::size_t i = 0; i < rounds; ++i) {
      std::int64_t sum = 0;
      if (db.increment(default_ns, key_name(i % 3), 1, sum) != errc::ok)
        ++wrong;
    }
  });
  CHECK(wrong == 0);
  std::int64_t total = 0;
  for (std::uint64_t i = 0; i < 3; ++i)
    total += std::stoll(value_of(s.db, key_name(i)));
  CHECK(total == static_cast<std::int64_t>(threads * rounds));
}

TEST_CASE("a counter of compare-and-swaps loses none", "[threads]") {
  segment s;
  auto other = s.attach();
  REQUIRE(s.db.set(default_ns, "n", "0") == errc::ok);
  constexpr std::size_t threads = 4;
  auto rounds = scaled(10'000);
  run_together(threads, [&](std::size_t me) {
    auto& db = me % 2 == 0 ? s.db : other;
    std::string value;
    entry_info info;
    for (std::size_t won = 0; won < rounds;) {
      if (db.get(default_ns, "n", value, &info) != errc::ok)
        continue;
      auto next = std::to_string(std::stoll(value) + 1);
      auto answer =
        me < 2 ? db.compare_and_swap(default_ns, "n", value, next)
               : db.compare_and_swap(default_ns, "n", info.version, next);
      won += answer == errc::ok ? 1 : 0;
    }
  });
  CHECK(value_of(s.db, "n") == std::to_string(threads * rounds));
}

TEST_CASE("of several who insert a key at once, one wins", "[threads]") {
  segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
  auto other = s.attach();
  constexpr std::size_t threads = 3;
  auto rounds = scaled(10'000);
  std::vector<std::atomic<int>> winners(rounds);
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> arrived{0};
  run_together(threads, [&](std::size_t me) {
    auto& db = me % 2 == 0 ? s.db : other;
    for (std::size_t round = 0; round < rounds; ++round) {
      ++arrived;
      while (arrived < (round + 1) * threads)
        std::this_thread::yield();
      auto answer =
        db.set_if_absent(default_ns, key_name(round), std::to_string(me));
      if (answer == errc::ok)
        ++winners[round];
      else if (answer != errc::exists)
        ++wrong;
    }
  });
  CHECK(wrong == 0);
  for (std::size_t round = 0; round < rounds; ++round)
    if (winners[round] != 1)
      FAIL("round " << round << ": " << winners[round] << " winners");
  CHECK(count_entries(s.db) == rounds);
  CHECK(s.db.stats().entries == rounds);
}

TEST_CASE("sets that race on a new key leave one entry", "[threads]") {
  segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
  auto other = s.attach();
  constexpr std::size_t threads = 3;
  auto rounds = scaled(10'000);
  std::atomic<std::size_t> arrived{0};
  std::atomic<std::size_t> wrong{0};
  run_together(threads, [&](std::size_t me) {
    auto& db = me % 2 == 0 ? s.db : other;
    for (std::size_t round = 0; round < rounds; ++round) {
      ++arrived;
      while (arrived < (round + 1) * threads)
        std::this_thread::yield();
      auto key = key_name(round);
      if (db.set(default_ns, key, self_describing(key, me, 20)) != errc::ok)
        ++wrong;
      if (me == 0 && round % 3 == 0)
        (void)db.erase(default_ns, key);
    }
  });
  CHECK(wrong == 0);
  std::vector<int> seen(rounds, 0);
  for (scan_cursor cursor; !cursor.done();)
    REQUIRE(s.db.scan(default_ns, cursor, 1000, [&](const scan_entry& entry) {
      ++seen[std::stoull(std::string{entry.key.substr(3)})];
    }) == errc::ok);
  for (std::size_t round = 0; round < rounds; ++round) {
    if (seen[round] > 1 || (seen[round] == 0 && round % 3 != 0))
      FAIL("round " << round << ": " << seen[round] << " entries");
    // One erase leaves nothing behind.
    (void)s.db.erase(default_ns, key_name(round));
    if (s.db.contains(default_ns, key_name(round)))
      FAIL("round " << round << ": still there after an erase");
  }
  CHECK(s.db.stats().entries == 0);
  CHECK(s.db.stats().live_block_bytes == 0);
}

TEST_CASE("an entry that is only ever replaced is always there",
          "[threads][scan]") {
  segment s;
  auto other = s.attach();
  constexpr std::uint64_t keys = 4;
  for (std::uint64_t i = 0; i < keys; ++i)
    REQUIRE(s.db.set(default_ns, key_name(i), "0") == errc::ok);
  std::atomic<std::size_t> missing{0};
  std::atomic<std::size_t> missing_in_scan{0};
  std::atomic<std::size_t> refused{0};
  std::atomic<bool> done{false};
  auto rounds = scaled(200'000);
  run_together(4, [&](std::size_t me) {
    if (me < 2) {
      auto& db = me == 0 ? s.db : other;
      for (std::size_t i = 0; i < rounds; ++i)
        if (db.set_if_present(default_ns, key_name(i % keys), std::to_string(i))
            != errc::ok)
          ++refused;
      done = true;
    } else if (me == 2) {
      std::string value;
      while (!done)
        for (std::uint64_t i = 0; i < keys; ++i)
          if (other.get(default_ns, key_name(i), value) != errc::ok)
            ++missing;
    } else {
      while (!done) {
        std::array<bool, keys> seen{};
        for (scan_cursor cursor; !cursor.done();)
          (void)other.scan(default_ns, cursor, 1000,
                           [&](const scan_entry& entry) {
                             seen[entry.key.back() - '0'] = true;
                           });
        for (auto each : seen)
          missing_in_scan += each ? 0 : 1;
      }
    }
  });
  CHECK(refused == 0);
  CHECK(missing == 0);
  CHECK(missing_in_scan == 0);
}

TEST_CASE("everything at once keeps every value whole", "[threads][growth]") {
  segment s{{.segment_bytes = 4 * mebibyte,
             .reserved_bytes = 64 * mebibyte,
             .bucket_count = 64,
             .huge_pages = false}};
  auto second = s.attach();
  auto& other = beside(s.db, second);
  auto rounds = scaled(60'000);
  constexpr std::size_t threads = 5;
  std::atomic<std::size_t> damaged{0};
  std::atomic<std::size_t> refused{0};
  auto check = [&](std::string_view key, std::string_view value) {
    if (!describes_itself(key, value))
      ++damaged;
  };
  run_together(threads, [&](std::size_t me) {
    auto& db = me % 2 == 0 ? s.db : other;
    std::mt19937_64 random{me};
    std::string value;
    for (std::size_t i = 0; i < rounds; ++i) {
      // The keys in use grow with time, so that the index doubles.
      auto key = key_name(random() % (100 + i / 4));
      auto answer = errc::ok;
      switch (random() % 8) {
        case 0:
        case 1:
          answer =
            db.set(default_ns, key, self_describing(key, i, random() % 300));
          break;
        case 2:
          answer =
            db.set_if_absent(default_ns, key, self_describing(key, i, 2000));
          break;
        case 3:
          answer = db.erase(default_ns, key);
          break;
        case 4: {
          value_view view;
          answer = db.view(default_ns, key, view);
          if (answer == errc::ok)
            check(key, view.bytes());
          break;
        }
        case 5: {
          std::array<std::string, 8> keys;
          std::array<get_request, 8> gets;
          for (std::size_t k = 0; k < keys.size(); ++k) {
            keys[k] = key_name(random() % (100 + i / 4));
            gets[k].key = keys[k];
          }
          answer = db.get_many(default_ns, gets);
          for (auto& each : gets)
            if (each.status == errc::ok)
              check(each.key, each.value);
          break;
        }
        case 6:
          if (i % 64 == 0) {
            scan_cursor cursor{random() & 0xFFFFFFFFU};
            answer =
              db.scan(default_ns, cursor, 50, [&](const scan_entry& entry) {
                check(entry.key, entry.value);
              });
          }
          break;
        default:
          answer = db.get(default_ns, key, value);
          if (answer == errc::ok)
            check(key, value);
      }
      if (answer != errc::ok && answer != errc::not_found
          && answer != errc::exists)
        ++refused;
    }
  });
  CHECK(damaged == 0);
  CHECK(refused == 0);
  CHECK(*s.db.verify() == 0);
  CHECK(s.db.stats().corrupt_reads == 0);
  auto count = count_entries(s.db);
  CHECK(s.db.stats().entries == count);
  std::uint64_t removed = 0;
  CHECK(s.db.clear(default_ns, removed) == errc::ok);
  CHECK(removed == count);
}
