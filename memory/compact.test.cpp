// Compaction against a model: what it moves stays what it was, what it frees
// is free, and it ends.
#include "memory/fixture.test.hpp"
#include "memory/store_impl.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <random>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

/// Sizes as real stores have them: log-normal, 16 bytes to 64 KiB.
class mixed_sizes {
public:
  explicit mixed_sizes(std::uint64_t seed, std::size_t most = 65'536)
    : random_{seed}, most_{most} {
  }

  std::size_t next() {
    for (;;) {
      auto size = std::exp(normal_(random_));
      if (size >= 16 && size <= static_cast<double>(most_))
        return static_cast<std::size_t>(size);
    }
  }

  std::uint64_t pick(std::uint64_t bound) {
    return random_() % bound;
  }

private:
  std::mt19937_64 random_;
  std::size_t most_;
  std::normal_distribution<double> normal_{std::log(1024.0), 1.39};
};

std::string name_of(std::uint64_t number) {
  return "key" + std::to_string(number);
}

/// A store and what must be in it: the size of each key's value, which is
/// `bytes_of(size, key number)`.
class modelled {
public:
  modelled(store& db, std::uint64_t seed, std::size_t most = 65'536)
    : db_{db}, sizes_{seed, most} {
  }

  /// Stores one more entry; false when the store refuses.
  bool add() {
    auto size = sizes_.next();
    auto answer = db_.set(default_ns, name_of(next_), bytes_of(size, next_));
    if (answer == errc::no_space)
      return false;
    REQUIRE(answer == errc::ok);
    keys_.push_back(next_);
    model_[next_++] = size;
    written_ += size;
    return true;
  }

  void erase_some(std::size_t count) {
    for (; count > 0 && !keys_.empty(); --count) {
      auto place = sizes_.pick(keys_.size());
      REQUIRE(db_.erase(default_ns, name_of(keys_[place])) == errc::ok);
      model_.erase(keys_[place]);
      keys_[place] = keys_.back();
      keys_.pop_back();
    }
  }

  void check() const {
    std::string value;
    for (auto& [number, size] : model_) {
      REQUIRE(db_.get(default_ns, name_of(number), value) == errc::ok);
      REQUIRE(value == bytes_of(size, number));
    }
    CHECK(db_.stats().entries == model_.size());
    CHECK(count_entries(db_) == model_.size());
    CHECK(*db_.verify() == 0);
  }

  [[nodiscard]] std::size_t size() const {
    return keys_.size();
  }

  [[nodiscard]] std::uint64_t written_bytes() const {
    return written_;
  }

private:
  store& db_;
  mixed_sizes sizes_;
  std::map<std::uint64_t, std::size_t> model_;
  std::vector<std::uint64_t> keys_;
  std::uint64_t next_ = 0;
  std::uint64_t written_ = 0;
};

constexpr std::uint64_t segment_size = 32 * mebibyte;

} // namespace

TEST_CASE("compaction step by step loses, doubles and resurrects nothing",
          "[compact]") {
  segment s{{.segment_bytes = segment_size}};
  modelled entries{s.db, 1};
  while (entries.add())
    ;
  entries.erase_some(entries.size() * 7 / 10);
  auto before = *s.db.utilization();
  CHECK(before.fragmentation() > 0.3);
  bool done = false;
  std::uint64_t steps = 0;
  while (!done && steps < 1'000'000) {
    auto step = s.db.compact();
    REQUIRE(step);
    // At most what was asked for, or one entry that is larger than that.
    if (step->moved_entries > 1)
      REQUIRE(step->moved_bytes <= limits::compaction_step_bytes);
    done = step->done;
    ++steps;
  }
  CHECK(done);
  CHECK(steps > 10);
  auto after = *s.db.utilization();
  CHECK(after.live_block_bytes == before.live_block_bytes);
  CHECK(after.fragmentation() < before.fragmentation() * 0.5);
  entries.check();
}

TEST_CASE("a defragmented segment has at most five percent fragmentation",
          "[compact]") {
  // A span for each class and what is left of it count more in a small one.
  segment s{{.segment_bytes = 64 * mebibyte, .huge_pages = false}};
  modelled entries{s.db, 2};
  while (entries.add())
    ;
  entries.erase_some(entries.size() / 3);
  auto result = s.db.defragment();
  REQUIRE(result);
  CAPTURE(result->to_string());
  CHECK(result->work.done);
  CHECK(result->fragmentation_after <= 0.05);
  CHECK(s.db.utilization()->fragmentation() == result->fragmentation_after);
  // Nothing pays any more.
  auto again = s.db.defragment();
  REQUIRE(again);
  CHECK(again->work.moved_bytes <= result->work.moved_bytes / 10);
  entries.check();
}

TEST_CASE("ninety percent of a segment are live at the first refusal, also "
          "after churn",
          "[compact]") {
  constexpr auto size = (under_asan ? 32 : 64) * mebibyte;
  segment s{{.segment_bytes = size, .huge_pages = false}};
  modelled entries{s.db, 3};
  while (entries.add())
    ;
  CHECK(s.db.utilization()->utilization() >= 0.90);
  constexpr auto volumes = (under_asan ? 1 : 3) * size;
  auto end = entries.written_bytes() + volumes;
  while (entries.written_bytes() < end)
    if (!entries.add())
      entries.erase_some(entries.size() / 20);
  while (entries.add())
    ;
  auto report = *s.db.utilization();
  CAPTURE(report.to_string());
  CHECK(report.utilization() >= 0.90);
  entries.check();
}

TEST_CASE("a refusal in a full segment stays cheap", "[compact]") {
  segment s{{.segment_bytes = segment_size}};
  modelled entries{s.db, 4};
  while (entries.add())
    ;
  auto moved = [&] { return s.db.stats().writes; };
  auto before = moved();
  std::string large(s.db.stats().max_value_bytes, 'x');
  for (int i = 0; i < 1000; ++i)
    REQUIRE(s.db.set(default_ns, "large", large) == errc::no_space);
  CHECK(moved() == before);
  entries.check();
}

TEST_CASE("large values find room among small ones", "[compact]") {
  segment s{{.segment_bytes = 8 * mebibyte}};
  std::uint64_t count = 0;
  while (s.db.set(default_ns, name_of(count), bytes_of(200, count)) == errc::ok)
    ++count;
  // Every second one goes: no page is free by itself.
  for (std::uint64_t i = 0; i < count; i += 2)
    REQUIRE(s.db.erase(default_ns, name_of(i)) == errc::ok);
  std::uint64_t large = 0;
  while (s.db.set(default_ns, "large" + std::to_string(large),
                  bytes_of(100'000, large))
         == errc::ok)
    ++large;
  CHECK(large * 100'000 > 2 * mebibyte);
  for (std::uint64_t i = 1; i < count; i += 2)
    REQUIRE(value_of(s.db, name_of(i)) == bytes_of(200, i));
  for (std::uint64_t i = 0; i < large; ++i)
    REQUIRE(value_of(s.db, "large" + std::to_string(i))
            == bytes_of(100'000, i));
  CHECK(*s.db.verify() == 0);
}

TEST_CASE("a pinned value keeps its bytes while its entry moves", "[compact]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  modelled entries{s.db, 5, 2000};
  REQUIRE(s.db.set(default_ns, "pinned", bytes_of(500, 99)) == errc::ok);
  while (entries.add())
    ;
  value_view view;
  REQUIRE(s.db.view(default_ns, "pinned", view) == errc::ok);
  for (int round = 0; round < 5; ++round) {
    entries.erase_some(entries.size() / 2);
    REQUIRE(s.db.defragment());
    while (entries.add())
      ;
    REQUIRE(view.bytes() == bytes_of(500, 99));
  }
  CHECK(value_of(s.db, "pinned") == bytes_of(500, 99));
  view.release();
  REQUIRE(s.db.erase(default_ns, "pinned") == errc::ok);
  entries.check();
}

TEST_CASE("what has expired is removed instead of moved", "[compact]") {
  segment s;
  std::uint64_t count = 0;
  for (; s.db.set(default_ns, name_of(count), bytes_of(100, count),
                  {.ttl_ms = count % 10 == 0 ? 0 : 1})
         == errc::ok;
       ++count)
    ;
  // Those that do not expire have every tenth number.
  auto last = (count - 1) % 10 == 0 ? count - 2 : count - 1;
  REQUIRE(
    eventually([&] { return !s.db.contains(default_ns, name_of(last)); }));
  for (std::uint64_t i = 0; i < count; i += 20)
    (void)s.db.erase(default_ns, name_of(i));
  auto result = s.db.optimize();
  REQUIRE(result);
  CHECK(!result->to_string().empty());
  CHECK(count_entries(s.db) == s.db.stats().entries);
  for (std::uint64_t i = 10; i < count; i += 20)
    REQUIRE(value_of(s.db, name_of(i)) == bytes_of(100, i));
}

TEST_CASE("a version token of a moved entry is stale, and a repeat succeeds",
          "[compact]") {
  segment s;
  modelled entries{s.db, 6, 500};
  while (entries.add())
    ;
  REQUIRE(s.db.erase(default_ns, name_of(0)) == errc::ok);
  REQUIRE(s.db.set(default_ns, name_of(0), "first") == errc::ok);
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::string value;
    entry_info info;
    REQUIRE(s.db.get(default_ns, name_of(0), value, &info) == errc::ok);
    entries.erase_some(entries.size() / 4);
    if (s.db.get(default_ns, name_of(0), value) != errc::ok)
      break;
    REQUIRE(s.db.defragment());
    version_token actual{};
    auto swapped = s.db.compare_and_swap(default_ns, name_of(0), info.version,
                                         std::to_string(round), &actual);
    if (swapped == errc::mismatch)
      swapped = s.db.compare_and_swap(default_ns, name_of(0), actual,
                                      std::to_string(round));
    REQUIRE(swapped == errc::ok);
  }
}

TEST_CASE("readers, writers, erasers and views go on while two attachments "
          "compact",
          "[compact][threads]") {
  segment s{{.segment_bytes = 8 * mebibyte, .bucket_count = 64}};
  auto second = s.attach();
  auto& other = beside(s.db, second);
  constexpr std::uint64_t keys = 4000;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> done{0};
  auto size_of = [](std::uint64_t number, std::uint64_t turn) {
    return (number * 37 + turn * 101) % 1500;
  };
  std::vector<std::thread> threads;
  // Each writer owns the keys of its parity.
  std::vector<std::vector<std::string>> last(2, std::vector<std::string>(keys));
  for (std::uint64_t parity = 0; parity < 2; ++parity)
    threads.emplace_back([&, parity] {
      auto& db = parity == 0 ? s.db : other;
      std::mt19937_64 random{parity};
      for (std::uint64_t turn = 0; turn < scaled(150'000); ++turn) {
        auto number = random() % (keys / 2) * 2 + parity;
        auto key = name_of(number);
        auto& expected = last[parity][number];
        if (random() % 4 == 0) {
          auto erased = db.erase(default_ns, key);
          if (erased != (expected.empty() ? errc::not_found : errc::ok))
            ++wrong;
          expected.clear();
          continue;
        }
        auto value = self_describing(key, turn, size_of(number, turn));
        auto answer = db.set(default_ns, key, value);
        if (answer == errc::ok)
          expected = value;
        else if (answer != errc::no_space)
          ++wrong;
      }
      ++done;
    });
  threads.emplace_back([&] {
    std::mt19937_64 random{7};
    std::string value;
    while (!stop) {
      auto key = name_of(random() % keys);
      if (s.db.get(default_ns, key, value) == errc::ok
          && !describes_itself(key, value))
        ++wrong;
      value_view view;
      if (other.view(default_ns, key, view) == errc::ok
          && !describes_itself(key, view.bytes()))
        ++wrong;
    }
  });
  for (auto* db : {&s.db, &other})
    threads.emplace_back([&, db] {
      while (!stop)
        if (!db->compact(16 * kibibyte))
          ++wrong;
    });
  REQUIRE(eventually([&] { return done == 2; }));
  stop = true;
  for (auto& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  std::uint64_t count = 0;
  for (std::uint64_t number = 0; number < keys; ++number) {
    auto& expected = last[number % 2][number];
    REQUIRE(value_of(other, name_of(number))
            == (expected.empty() ? "(E-NOTFOUND)" : expected));
    count += expected.empty() ? 0 : 1;
  }
  CHECK(s.db.stats().entries == count);
  REQUIRE(other.defragment());
  CHECK(*s.db.verify() == 0);
  std::uint64_t removed = 0;
  REQUIRE(s.db.clear(default_ns, removed) == errc::ok);
  CHECK(removed == count);
  CHECK(s.db.stats().live_block_bytes == 0);
}

TEST_CASE("the reports say what they say in words", "[compact]") {
  segment s{{.segment_bytes = 8 * mebibyte}};
  CHECK(s.db.memory_pressure()->level == pressure_level::low);
  CHECK(s.db.memory_pressure()->advised_step_bytes == 0);
  modelled entries{s.db, 8};
  while (entries.add())
    ;
  CHECK(s.db.memory_pressure()->level == pressure_level::critical);
  entries.erase_some(entries.size() / 2);
  auto report = *s.db.utilization();
  CHECK(report.to_string().find("fragmentation") != std::string::npos);
  CHECK(report.entries == entries.size());
  CHECK(s.db.memory_pressure()->to_string().find("compact in steps")
        != std::string::npos);
  CHECK(s.db.compact(0).code() == errc::bad_argument);
  auto reader = s.attach(access_mode::read_only);
  CHECK(reader.compact().code() == errc::read_only);
  CHECK(reader.utilization()->entries == entries.size());
  s.db.close();
  CHECK(s.db.compact().code() == errc::closed);
  CHECK(s.db.memory_pressure().code() == errc::closed);
}
