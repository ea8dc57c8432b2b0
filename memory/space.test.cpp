#include "memory/fixture.test.hpp"

#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

/// Stores entries of `size(i)` bytes until there is no space; answers how many.
template <class Size>
std::size_t fill(store& db, Size&& size) {
  for (std::size_t i = 0;; ++i) {
    auto answer =
      db.set(default_ns, "fill" + std::to_string(i), bytes_of(size(i), i));
    if (answer == errc::no_space)
      return i;
    REQUIRE(answer == errc::ok);
  }
}

std::size_t mixed(std::size_t i) {
  constexpr std::size_t sizes[] = {1,    30,   100,  100,    500,
                                   1000, 3000, 9000, 17'000, 40'000};
  return sizes[i * 7 % std::size(sizes)] + i % 16;
}

void clear(store& db) {
  std::uint64_t removed = 0;
  REQUIRE(db.clear(default_ns, removed) == errc::ok);
}

} // namespace

TEST_CASE("a full segment keeps what it has and stays usable", "[space]") {
  segment s{{.segment_bytes = 2 * mebibyte}};
  auto count = fill(s.db, [](std::size_t) { return 1000U; });
  CHECK(count > 1000);
  // An overwrite needs room for both; without it the old value stays.
  auto larger = std::string(50'000, 'x');
  CHECK(s.db.set(default_ns, "fill7", larger) == errc::no_space);
  std::size_t length = 0;
  CHECK(s.db.append(default_ns, "fill7", larger, length) == errc::no_space);
  std::string previous;
  bool had = false;
  CHECK(s.db.exchange(default_ns, "fill7", larger, previous, had)
        == errc::no_space);
  CHECK(s.db.compare_and_swap(default_ns, "fill7", bytes_of(1000, 7), larger)
        == errc::no_space);
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(value_of(s.db, "fill" + std::to_string(i)) == bytes_of(1000, i));
  CHECK(*s.db.verify() == 0);
  REQUIRE(s.db.erase(default_ns, "fill3") == errc::ok);
  CHECK(s.db.set(default_ns, "again", bytes_of(1000, 1)) == errc::ok);
  clear(s.db);
  CHECK(s.db.set(default_ns, "large", larger) == errc::ok);
}

TEST_CASE("a pool of 90 percent live entries still takes overwrites",
          "[space]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  auto count = fill(s.db, [](std::size_t) { return 100U; }) * 9 / 10;
  clear(s.db);
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i), bytes_of(100, i))
            == errc::ok);
  for (std::size_t i = 0; i < scaled(200'000); ++i)
    REQUIRE(s.db.set(default_ns, std::to_string(i % count), bytes_of(100, i))
            == errc::ok);
}

TEST_CASE("live entries can take most of the pool", "[space]") {
  for (std::size_t size : {50U, 100U, 1000U, 5000U}) {
    CAPTURE(size);
    segment s{
      {.segment_bytes = (under_asan ? 8 : 64) * mebibyte, .huge_pages = false}};
    fill(s.db, [&](std::size_t) { return size; });
    auto stats = s.db.stats();
    CHECK(stats.live_block_bytes > stats.pool_bytes / 100 * 90);
  }
}

TEST_CASE("filling and clearing again and again loses nothing", "[space]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  std::size_t first = 0;
  std::uint64_t used_when_empty = 0;
  for (int cycle = 0; cycle < 50; ++cycle) {
    CAPTURE(cycle);
    auto count = fill(s.db, mixed);
    clear(s.db);
    CHECK(s.db.stats().entries == 0);
    CHECK(s.db.stats().live_block_bytes == 0);
    if (cycle == 0) {
      first = count;
      used_when_empty = s.db.stats().pool_used_bytes;
    }
    CHECK(count >= first * 95 / 100);
    CHECK(s.db.stats().pool_used_bytes <= used_when_empty + mebibyte / 4);
  }
}

TEST_CASE("memory of one size can be used for any other", "[space]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  std::vector<std::size_t> capacity;
  for (int cycle = 0; cycle < 3; ++cycle) {
    std::size_t at = 0;
    for (std::size_t size : {20U, 5000U, 300U, 200'000U, 1000U, 60'000U}) {
      CAPTURE(cycle, size);
      auto count = fill(s.db, [&](std::size_t) { return size; });
      clear(s.db);
      if (cycle == 0)
        capacity.push_back(count);
      else
        CHECK(count + 2 >= capacity[at] * 95 / 100);
      ++at;
    }
  }
}

TEST_CASE("an idle writer keeps little from another", "[space]") {
  segment s{{.segment_bytes = 4 * mebibyte}};
  auto alone = fill(s.db, [](std::size_t) { return 15'000U; });
  clear(s.db);
  auto idle = s.attach();
  for (std::size_t i = 0; i < 63; ++i)
    REQUIRE(idle.set(default_ns, "k", bytes_of(15'000, i)) == errc::ok);
  auto beside = fill(s.db, [](std::size_t) { return 15'000U; });
  CHECK(beside >= alone * 80 / 100);
}

TEST_CASE("the pool grows up to what was reserved and not beyond",
          "[space][growth]") {
  segment s{{.segment_bytes = 2 * mebibyte, .reserved_bytes = 16 * mebibyte}};
  auto before = s.db.stats();
  CHECK(s.db.expand_pool(0).code() == errc::bad_argument);
  CHECK(s.db.expand_pool(32 * mebibyte).code() == errc::no_space);
  CHECK(s.db.expand_pool(~std::uint64_t{0}).code() == errc::no_space);
  CHECK(s.db.stats().pool_bytes == before.pool_bytes);
  CHECK(s.db.expand_pool(mebibyte));
  CHECK(s.db.stats().pool_bytes >= before.pool_bytes + mebibyte);
  auto count = fill(s.db, [](std::size_t) { return 1000U; });
  CHECK(count > 10'000);
  auto after = s.db.stats();
  CHECK(after.pool_bytes > 12 * mebibyte);
  CHECK(after.segment_bytes <= after.reserved_bytes);
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(value_of(s.db, "fill" + std::to_string(i)) == bytes_of(1000, i));
  CHECK(s.db.expand_pool(1).code() == errc::no_space);
  auto other = s.attach();
  CHECK(other.stats().pool_bytes == after.pool_bytes);
  CHECK(value_of(other, "fill0") == bytes_of(1000, 0));
}

TEST_CASE("a large value makes the pool grow as much as it needs",
          "[space][growth]") {
  segment s{{.segment_bytes = 8 * mebibyte, .reserved_bytes = 64 * mebibyte}};
  auto large = s.db.stats().max_value_bytes;
  std::size_t count = 0;
  while (s.db.set(default_ns, std::to_string(count), std::string(large, 'x'))
         == errc::ok)
    ++count;
  CHECK(count * large > 50 * mebibyte);
}
