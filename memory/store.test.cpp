#include "memory/store.hpp"

#include "memory/fixture.test.hpp"

#include <algorithm>
#include <array>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("a value comes back as it was stored", "[store]") {
  segment s;
  CHECK(s.db.set(default_ns, "alpha", "one") == errc::ok);
  CHECK(value_of(s.db, "alpha") == "one");
  CHECK(s.db.contains(default_ns, "alpha"));
  CHECK_FALSE(s.db.contains(default_ns, "beta"));
  CHECK(s.db.set(default_ns, "alpha", "two, longer than one") == errc::ok);
  CHECK(value_of(s.db, "alpha") == "two, longer than one");
  CHECK(s.db.erase(default_ns, "alpha") == errc::ok);
  CHECK(s.db.erase(default_ns, "alpha") == errc::not_found);
  std::string value = "untouched";
  CHECK(s.db.get(default_ns, "alpha", value) == errc::not_found);
}

TEST_CASE("keys have one to 65535 bytes", "[store][limits]") {
  segment s;
  std::string value;
  CHECK(s.db.set(default_ns, "", "v") == errc::bad_key);
  CHECK(s.db.get(default_ns, "", value) == errc::bad_key);
  CHECK(s.db.erase(default_ns, "") == errc::bad_key);
  CHECK_FALSE(s.db.contains(default_ns, ""));
  for (std::size_t size : {1U, 2U, 255U, 4096U, 65'535U}) {
    CAPTURE(size);
    auto key = bytes_of(size, size);
    CHECK(s.db.set(default_ns, key, "v" + std::to_string(size)) == errc::ok);
    CHECK(value_of(s.db, key) == "v" + std::to_string(size));
    key.back() = static_cast<char>(key.back() + 1);
    CHECK_FALSE(s.db.contains(default_ns, key));
  }
  auto too_long = std::string(65'536, 'k');
  std::int64_t number = 0;
  std::size_t length = 0;
  bool had = false;
  value_view view;
  entry_info info;
  CHECK(s.db.set(default_ns, too_long, "v") == errc::key_size);
  CHECK(s.db.set_if_absent(default_ns, too_long, "v") == errc::key_size);
  CHECK(s.db.set_if_present(default_ns, too_long, "v") == errc::key_size);
  CHECK(s.db.get(default_ns, too_long, value) == errc::key_size);
  CHECK(s.db.view(default_ns, too_long, view) == errc::key_size);
  CHECK(s.db.info(default_ns, too_long, info) == errc::key_size);
  CHECK(s.db.erase(default_ns, too_long) == errc::key_size);
  CHECK(s.db.take(default_ns, too_long, value) == errc::key_size);
  CHECK(s.db.increment(default_ns, too_long, 1, number) == errc::key_size);
  CHECK(s.db.append(default_ns, too_long, "v", length) == errc::key_size);
  CHECK(s.db.exchange(default_ns, too_long, "v", value, had) == errc::key_size);
  CHECK(s.db.compare_and_swap(default_ns, too_long, "a", "b")
        == errc::key_size);
  CHECK(s.db.expire(default_ns, too_long, 1000) == errc::key_size);
  CHECK(s.db.persist(default_ns, too_long) == errc::key_size);
  CHECK(count_entries(s.db) == 5);
}

TEST_CASE("keys are bytes, whatever they spell", "[store]") {
  segment s;
  std::vector<std::string> keys{
    {"a\0b", 3},  {"a\0c", 3}, {"a"},       {"a\nb"}, {"\xFF\xFE\x80"},
    {"\xC3\x28"}, {"\0", 1},   {"\0\0", 2}, {" "},    {"\x01"}};
  for (auto& key : keys)
    REQUIRE(s.db.set(default_ns, key, "=" + key) == errc::ok);
  for (auto& key : keys)
    CHECK(value_of(s.db, key) == "=" + key);
  CHECK(count_entries(s.db) == keys.size());
  std::size_t seen = 0;
  scan_cursor cursor;
  while (!cursor.done())
    REQUIRE(s.db.scan(default_ns, cursor, 100, [&](const scan_entry& entry) {
      CHECK(entry.value == "=" + std::string{entry.key});
      ++seen;
    }) == errc::ok);
  CHECK(seen == keys.size());
}

TEST_CASE("values have nothing to a quarter of the pool", "[store][limits]") {
  segment s;
  auto most = s.db.stats().max_value_bytes;
  CHECK(most >= 4 * mebibyte / 8);
  CHECK(most <= 4 * mebibyte / 4);
  CHECK(s.db.set(default_ns, "empty", "") == errc::ok);
  CHECK(value_of(s.db, "empty").empty());
  auto largest = bytes_of(most, 1);
  CHECK(s.db.set(default_ns, "largest", largest) == errc::ok);
  CHECK(value_of(s.db, "largest") == largest);
  CHECK(s.db.set(default_ns, "largest", largest + "x") == errc::value_size);
  CHECK(value_of(s.db, "largest") == largest);
  std::size_t length = 0;
  CHECK(s.db.append(default_ns, "largest", "x", length) == errc::value_size);
  std::string previous;
  bool had = false;
  CHECK(s.db.exchange(default_ns, "largest", largest + "x", previous, had)
        == errc::value_size);
  CHECK(s.db.compare_and_swap(default_ns, "largest", largest, largest + "x")
        == errc::value_size);
  CHECK(value_of(s.db, "largest") == largest);
}

TEST_CASE("every length around the steps of the pool comes back",
          "[store][limits]") {
  segment s{{.segment_bytes = 16 * mebibyte}};
  for (std::size_t base = 16; base <= 128 * kibibyte; base += base / 4 + 3)
    for (std::size_t size : {base - 1, base, base + 1}) {
      auto value = bytes_of(size, size);
      REQUIRE(s.db.set(default_ns, "k", value) == errc::ok);
      REQUIRE(value_of(s.db, "k") == value);
    }
  CHECK(s.db.verify().code() == errc::ok);
  CHECK(*s.db.verify() == 0);
}

TEST_CASE("a value of an eighth of a large segment fits", "[store][limits]") {
  // ThreadSanitizer remembers who touched each word: 64 MiB would take 4.5 GiB.
  constexpr std::size_t large_value_bytes = (under_asan ? 16 : 64) * mebibyte;
  segment s{{.segment_bytes = 8 * large_value_bytes, .huge_pages = false}};
  auto value = bytes_of(large_value_bytes, 7);
  REQUIRE(s.db.set(default_ns, "large", value) == errc::ok);
  CHECK((value_of(s.db, "large") == value));
  value.back() = static_cast<char>(~value.back());
  REQUIRE(s.db.set(default_ns, "large", value) == errc::ok);
  CHECK((value_of(s.db, "large") == value));
  CHECK(s.db.erase(default_ns, "large") == errc::ok);
}

TEST_CASE("a read into a buffer tells the length", "[store]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "0123456789") == errc::ok);
  std::array<char, 16> buffer{};
  std::size_t length = 0;
  CHECK(s.db.get(default_ns, "k", buffer, length) == errc::ok);
  CHECK(std::string_view{buffer.data(), length} == "0123456789");
  CHECK(s.db.get(default_ns, "k", std::span<char>{buffer.data(), 10}, length)
        == errc::ok);
  buffer.fill('.');
  length = 0;
  CHECK(s.db.get(default_ns, "k", std::span<char>{buffer.data(), 9}, length)
        == errc::value_size);
  CHECK(length == 10);
  CHECK(buffer[0] == '.');
  CHECK(s.db.get(default_ns, "absent", buffer, length) == errc::not_found);
}

TEST_CASE("values of ever other lengths come back whole, into any target",
          "[store]") {
  segment s;
  // Keys and values of the lengths that are read in ways of their own, in an
  // order in which hardly a value is as long as the one before.
  std::vector<std::pair<std::string, std::string>> all;
  for (std::size_t key_bytes : {1U, 8U, 9U, 12U, 16U, 17U, 512U, 513U})
    for (std::size_t value_bytes :
         {0U, 1U, 7U, 8U, 15U, 16U, 33U, 100U, 100U, 255U, 256U, 257U, 3000U})
      all.emplace_back(bytes_of(key_bytes, all.size()),
                       bytes_of(value_bytes, all.size() + 7));
  for (auto& [key, value] : all)
    REQUIRE(s.db.set(default_ns, key, value) == errc::ok);
  auto reused = std::string(100, '.');
  std::array<char, 4096> buffer{};
  std::vector<get_request> batch;
  for (int round = 0; round < 3; ++round) {
    for (const auto& entry : all) {
      const auto& key = entry.first;
      CAPTURE(key.size(), entry.second.size());
      // The last one of a key counts: one byte names few of them.
      auto last = std::find_if(all.rbegin(), all.rend(),
                               [&](auto& each) { return each.first == key; });
      REQUIRE(value_of(s.db, key) == last->second);
      REQUIRE(s.db.get(default_ns, key, reused) == errc::ok);
      REQUIRE(reused == last->second);
      std::size_t length = 0;
      buffer.fill('.');
      REQUIRE(s.db.get(default_ns, key, buffer, length) == errc::ok);
      REQUIRE(std::string_view{buffer.data(), length} == last->second);
      REQUIRE(buffer[length] == '.');
    }
    batch.clear();
    for (auto& [key, value] : all)
      batch.push_back({key, reused});
    REQUIRE(s.db.get_many(default_ns, batch) == errc::ok);
    for (auto& request : batch)
      REQUIRE(request.value == value_of(s.db, request.key));
  }
}

TEST_CASE("conditional stores look at what is there", "[store]") {
  segment s;
  CHECK(s.db.set_if_present(default_ns, "k", "v") == errc::not_found);
  CHECK(s.db.set_if_absent(default_ns, "k", "first") == errc::ok);
  CHECK(s.db.set_if_absent(default_ns, "k", "second") == errc::exists);
  CHECK(value_of(s.db, "k") == "first");
  CHECK(s.db.set_if_present(default_ns, "k", "third") == errc::ok);
  CHECK(value_of(s.db, "k") == "third");
}

TEST_CASE("an exchange hands out what was there", "[store]") {
  segment s;
  std::string previous = "untouched";
  bool had = true;
  CHECK(s.db.exchange(default_ns, "k", "a", previous, had) == errc::ok);
  CHECK_FALSE(had);
  CHECK(s.db.exchange(default_ns, "k", "b", previous, had) == errc::ok);
  CHECK(had);
  CHECK(previous == "a");
  CHECK(s.db.take(default_ns, "k", previous) == errc::ok);
  CHECK(previous == "b");
  CHECK(s.db.take(default_ns, "k", previous) == errc::not_found);
}

TEST_CASE("compare-and-swap changes only what was expected", "[store]") {
  segment s;
  std::string actual;
  CHECK(s.db.compare_and_swap(default_ns, "k", "a", "b") == errc::not_found);
  REQUIRE(s.db.set(default_ns, "k", "a") == errc::ok);
  CHECK(s.db.compare_and_swap(default_ns, "k", "x", "b", &actual)
        == errc::mismatch);
  CHECK(actual == "a");
  CHECK(s.db.compare_and_swap(default_ns, "k", "a", "b") == errc::ok);
  CHECK(value_of(s.db, "k") == "b");

  entry_info before;
  REQUIRE(s.db.info(default_ns, "k", before) == errc::ok);
  CHECK(before.version != version_token{});
  CHECK(s.db.compare_and_swap(default_ns, "k", before.version, "c")
        == errc::ok);
  version_token now{};
  CHECK(s.db.compare_and_swap(default_ns, "k", before.version, "d", &now)
        == errc::mismatch);
  entry_info after;
  REQUIRE(s.db.info(default_ns, "k", after) == errc::ok);
  CHECK(now == after.version);
  CHECK(after.version != before.version);
  CHECK(value_of(s.db, "k") == "c");
}

TEST_CASE("the version of an entry changes with each store of equal bytes",
          "[store]") {
  segment s;
  std::vector<version_token> seen;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(s.db.set(default_ns, "k", "same") == errc::ok);
    entry_info info;
    REQUIRE(s.db.info(default_ns, "k", info) == errc::ok);
    for (auto& old : seen)
      if (old == info.version)
        FAIL("version seen before in round " << i);
    seen.push_back(info.version);
  }
}

TEST_CASE("increments are decimal, checked and exact", "[store]") {
  segment s;
  std::int64_t sum = 0;
  CHECK(s.db.increment(default_ns, "n", 5, sum) == errc::ok);
  CHECK(sum == 5);
  CHECK(s.db.increment(default_ns, "n", -7, sum) == errc::ok);
  CHECK(sum == -2);
  CHECK(value_of(s.db, "n") == "-2");
  for (auto text : {"", " 1", "1 ", "+1", "01", "-01", "1.0", "x", "0x10",
                    "9223372036854775808", "-9223372036854775809", "-",
                    "12345678901234567890123"}) {
    CAPTURE(text);
    REQUIRE(s.db.set(default_ns, "t", text) == errc::ok);
    CHECK(s.db.increment(default_ns, "t", 1, sum) == errc::not_integer);
    CHECK(value_of(s.db, "t") == text);
  }
  REQUIRE(s.db.set(default_ns, "t", "9223372036854775806") == errc::ok);
  CHECK(s.db.increment(default_ns, "t", 1, sum) == errc::ok);
  CHECK(s.db.increment(default_ns, "t", 1, sum) == errc::overflow);
  CHECK(value_of(s.db, "t") == "9223372036854775807");
  REQUIRE(s.db.set(default_ns, "t", "-9223372036854775808") == errc::ok);
  CHECK(s.db.increment(default_ns, "t", -1, sum) == errc::overflow);
  CHECK(s.db.increment(default_ns, "t", 0, sum) == errc::ok);
  CHECK(value_of(s.db, "t") == "-9223372036854775808");
}

TEST_CASE("an append grows the value", "[store]") {
  segment s;
  std::size_t length = 0;
  std::string model;
  for (int i = 0; i < 300; ++i) {
    auto piece = bytes_of(static_cast<std::size_t>(i), 99);
    model += piece;
    REQUIRE(s.db.append(default_ns, "k", piece, length) == errc::ok);
    REQUIRE(length == model.size());
  }
  CHECK((value_of(s.db, "k") == model));
}

TEST_CASE("a batch answers each of its requests", "[store][batch]") {
  segment s;
  auto too_long = std::string(65'536, 'k');
  auto too_large = std::string(s.db.stats().max_value_bytes + 1, 'v');
  std::vector<std::string> keys(100);
  std::vector<set_request> sets(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = "key" + std::to_string(i);
    sets[i] = {keys[i], keys[i]};
  }
  sets[7].key = "";
  sets[8].key = too_long;
  sets[9].value = too_large;
  sets[10].options.ttl_ms = -1;
  sets[11].key = keys[12]; // twice in a batch: the later one stands
  CHECK(s.db.set_many(default_ns, sets) != errc::ok);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    CAPTURE(i);
    auto wanted = i == 7    ? errc::bad_key
                  : i == 8  ? errc::key_size
                  : i == 9  ? errc::value_size
                  : i == 10 ? errc::bad_ttl
                            : errc::ok;
    CHECK(sets[i].status == wanted);
  }
  std::vector<get_request> gets(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i)
    gets[i].key = keys[i];
  gets[50].key = "";
  gets[51].key = too_long;
  CHECK(s.db.get_many(default_ns, gets) != errc::ok);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CAPTURE(i);
    auto wanted = i >= 7 && i <= 11 ? errc::not_found
                  : i == 50         ? errc::bad_key
                  : i == 51         ? errc::key_size
                                    : errc::ok;
    CHECK(gets[i].status == wanted);
    if (wanted == errc::ok)
      CHECK(gets[i].value == keys[i]);
  }
  CHECK(s.db.get_many(default_ns, {}) == errc::ok);
  CHECK(s.db.set_many(default_ns, {}) == errc::ok);
}

TEST_CASE("clear removes what the namespace holds and says how much",
          "[store]") {
  segment s;
  for (int i = 0; i < 1000; ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i), "v") == errc::ok);
  std::uint64_t removed = 99;
  CHECK(s.db.clear(default_ns, removed) == errc::ok);
  CHECK(removed == 1000);
  CHECK(count_entries(s.db) == 0);
  CHECK(s.db.clear(default_ns, removed) == errc::ok);
  CHECK(removed == 0);
  auto stats = s.db.stats();
  CHECK(stats.entries == 0);
  CHECK(stats.live_block_bytes == 0);
}
