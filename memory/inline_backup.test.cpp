// Inline namespaces in backups, and in segments that were left in any state.
#include "memory/checked_open.hpp"
#include "memory/tiered_cache.hpp"

#include "memory/backup_fixture.test.hpp"
#include "memory/geometry.hpp"
#include "memory/inline_fixture.test.hpp"
#include "memory/layout.hpp"

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include <sys/stat.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

constexpr std::size_t odd_key_bytes = 12;
constexpr std::size_t odd_value_bytes = 40;
constexpr segment_options little{.segment_bytes = 2 * mebibyte,
                                 .bucket_count = 64};

std::string odd_key(std::uint64_t number) {
  return inline_key(number, odd_key_bytes);
}

inline_namespace open_odd(store& db, std::uint64_t capacity = 1000,
                          std::string_view name = "inline") {
  return open_inline(db,
                     {.key_bytes = odd_key_bytes,
                      .value_bytes = odd_value_bytes,
                      .capacity = capacity,
                      .expiry = true},
                     name);
}

/// Full to the brim, so that entries lie in groups of others as well.
std::uint64_t fill_inline(inline_namespace& space, std::uint64_t seed) {
  std::uint64_t stored = 0;
  while (space.set(odd_key(stored), bytes_of(odd_value_bytes, seed + stored),
                   {.ttl_ms = stored % 3 == 0 ? hour_ms : 0})
         == errc::ok)
    ++stored;
  return stored;
}

} // namespace

TEST_CASE("a restored segment has its inline namespaces as they were",
          "[inline][backup]") {
  segment from{little};
  auto space = open_odd(from.db);
  auto beside = open_odd(from.db, 300, "beside");
  auto count = fill_inline(space, 1);
  REQUIRE(from.db.set(default_ns, "key", "value") == errc::ok);
  REQUIRE(beside.set(odd_key(1), bytes_of(odd_value_bytes, 5)) == errc::ok);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  auto base = must_run(writer);
  CHECK(base.entries == count + 2);
  CHECK(base.corrupt == 0);

  temporary_path path;
  auto medium = disk.medium();
  auto report = restore_backup(*medium, path.str());
  REQUIRE(report);
  CHECK(report->intact());
  CHECK(report->entries == count + 2);
  auto back = store::open(path.str());
  REQUIRE(back);
  CHECK(content_of(*back) == content_of(from.db));
  auto id = back->find_namespace("inline");
  REQUIRE(id);
  auto handle = back->inline_handle(*id);
  REQUIRE(handle);
  CHECK(handle->options().capacity == space.options().capacity);
  CHECK(handle->options().expiry);
  CHECK(handle->records() == space.records());
  entry_info info;
  REQUIRE(back->info(*id, odd_key(0), info) == errc::ok);
  CHECK(info.expires_at_ms != 0);
  REQUIRE(back->info(*id, odd_key(1), info) == errc::ok);
  CHECK(info.expires_at_ms == 0);
  CHECK(handle->set(odd_key(1), bytes_of(odd_value_bytes, 9)) == errc::ok);
}

TEST_CASE("a generation follows what changes in an inline namespace",
          "[inline][backup]") {
  segment from{little};
  auto space = open_odd(from.db);
  auto count = fill_inline(space, 1);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk, {.fold_percent = 10'000});
  auto base = must_run(writer);
  CHECK_FALSE(must_run(writer).written);
  SECTION("one entry") {
    REQUIRE(space.set(odd_key(7), bytes_of(odd_value_bytes, 99)) == errc::ok);
    auto report = must_run(writer);
    CHECK(report.regions == 1);
    CHECK(report.entries < base.entries / 10);
  }
  SECTION("one erased, one new in its place, one that may live on") {
    REQUIRE(space.erase(odd_key(7)) == errc::ok);
    REQUIRE(
      space.set_if_absent(odd_key(count + 1), bytes_of(odd_value_bytes, 3))
      == errc::ok);
    REQUIRE(from.db.persist(space.id(), odd_key(3)) == errc::ok);
    must_run(writer);
  }
  SECTION("all cleared") {
    std::uint64_t removed = 0;
    REQUIRE(from.db.clear(space.id(), removed) == errc::ok);
    CHECK(removed == count);
    CHECK(must_run(writer).written);
  }
  SECTION("dropped, and its number given to another") {
    REQUIRE(from.db.drop_namespace("inline"));
    bool is_inline = GENERATE(true, false);
    if (is_inline) {
      auto other = open_odd(from.db, 100, "other");
      REQUIRE(other.set(odd_key(5), bytes_of(odd_value_bytes, 8)) == errc::ok);
    } else {
      auto other = from.db.open_namespace("other");
      REQUIRE(other);
      REQUIRE(from.db.set(*other, "key", "value") == errc::ok);
    }
    must_run(writer);
  }
  auto back = restore_from(disk);
  CHECK(back.report.intact());
  CHECK(back.entries == content_of(from.db));
}

TEST_CASE("a backup of an inline namespace under writes has what nobody "
          "touches, and the last state once they end",
          "[inline][backup][threads]") {
  segment from{little};
  auto space = open_odd(from.db);
  for (std::uint64_t i = 0; i < 900; ++i)
    REQUIRE(space.set(odd_key(i), bytes_of(odd_value_bytes, i)) == errc::ok);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> failed{0};
  std::thread other{[&] {
    std::mt19937_64 random{1};
    while (!stop.load(std::memory_order_relaxed)) {
      auto key = odd_key(random() % 450);
      auto answer = random() % 4 == 0
                      ? space.erase(key)
                      : space.set(key, bytes_of(odd_value_bytes, random()));
      failed += answer == errc::ok || answer == errc::not_found ? 0 : 1;
    }
  }};
  faulty_disk disk;
  auto writer = open_writer(from.db, disk, {.fold_percent = 10'000});
  for (std::uint64_t i = 0; i < scaled(20); ++i)
    must_run(writer);
  auto during = restore_from(disk);
  stop = true;
  other.join();
  CHECK(failed == 0);
  CHECK(during.report.intact());
  for (std::uint64_t i = 450; i < 900; ++i)
    REQUIRE(during.entries.at({"inline", odd_key(i)})
            == bytes_of(odd_value_bytes, i));
  must_run(writer);
  auto after = restore_from(disk);
  CHECK(after.report.intact());
  CHECK(after.entries == content_of(from.db));
}

TEST_CASE("damaged inline records are refused, or dropped and counted",
          "[inline][checked]") {
  temporary_path path;
  auto whole = bytes_of(odd_value_bytes, 5);
  {
    auto made = store::create(path.str(), little);
    REQUIRE(made);
    auto space = open_odd(*made);
    for (std::uint64_t i = 0; i < 10; ++i)
      REQUIRE(space.set(odd_key(i), bytes_of(odd_value_bytes, i)) == errc::ok);
  }
  {
    std::fstream file{path.str(),
                      std::ios::binary | std::ios::in | std::ios::out};
    std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    auto at = bytes.find(whole);
    REQUIRE(at != std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at) - 3); // in the key
    file.put('x');
  }
  auto refused = open_checked(path.str());
  REQUIRE(refused.code() == errc::corrupt);
  auto repaired = open_checked(path.str(), repair_policy::repair);
  REQUIRE(repaired);
  CHECK(repaired->report.corrupt == 1);
  CHECK(repaired->report.entries == 9);
  CHECK(content_of(repaired->segment).size() == 9);
  repaired->segment.close();
  auto again = open_checked(path.str());
  REQUIRE(again);
  CHECK(again->report.corrupt == 0);
}

TEST_CASE("pages of any age yield whole inline entries", "[inline][checked]") {
  temporary_path copy;
  std::uint64_t kept = 0;
  for (std::uint32_t seed = 1; seed <= scaled(20); ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::map<std::string, std::vector<std::string>> ever;
    std::vector<std::string> snapshots;
    {
      segment from{{.segment_bytes = mebibyte, .bucket_count = 64}};
      auto space = open_odd(from.db);
      for (int snapshot = 0; snapshot < 3; ++snapshot) {
        for (unsigned i = 0; i < 1500; ++i) {
          auto key = odd_key(random() % 1000);
          if (random() % 5 == 0) {
            (void)space.erase(key);
            continue;
          }
          auto value = bytes_of(odd_value_bytes, random());
          REQUIRE(space.set(key, value) == errc::ok);
          ever[key].push_back(value);
        }
        std::ifstream file{from.path.str(), std::ios::binary};
        snapshots.emplace_back(std::istreambuf_iterator<char>{file},
                               std::istreambuf_iterator<char>{});
      }
    }
    auto mixed = snapshots.back();
    constexpr std::size_t page = 4096;
    for (std::size_t at = page; at + page <= mixed.size(); at += page)
      mixed.replace(at, page, snapshots[random() % snapshots.size()], at, page);
    layout::header header{};
    std::memcpy(&header, mixed.data(), sizeof header);
    auto shape = read_geometry(header, mixed.size(), "copy");
    REQUIRE(shape);
    std::uint64_t other_boot = 1;
    std::memcpy(
      mixed.data() + shape->backup_offset
        + offsetof(layout::backup_record<native_sync>, attached_boot_id),
      &other_boot, sizeof other_boot);
    std::ofstream file{copy.str(), std::ios::binary | std::ios::trunc};
    file << mixed;
    file.close();
    REQUIRE(::chmod(copy.str().c_str(), 0600) == 0);
    auto opened = open_checked(copy.str(), repair_policy::repair);
    if (!opened)
      FAIL(opened.error().to_string());
    CHECK(opened->report.rebuilt);
    auto model = content_of(opened->segment);
    CHECK(model.size() == opened->report.entries);
    CHECK(opened->segment.stats().entries == model.size());
    kept += model.size();
    for (auto& [name, value] : model) {
      auto& known = ever[name.second];
      REQUIRE(std::find(known.begin(), known.end(), value) != known.end());
    }
    auto space = open_odd(opened->segment);
    for (std::uint64_t i = 0; i < 1000; ++i)
      REQUIRE(space.set(odd_key(i), bytes_of(odd_value_bytes, i)) == errc::ok);
    CHECK(content_of(opened->segment).size() == 1000);
  }
  CHECK(kept > 0);
}

TEST_CASE("eviction and compaction leave inline namespaces alone",
          "[inline][evict]") {
  segment s{{.segment_bytes = 4 * mebibyte, .bucket_count = 1024}};
  auto space = open_odd(s.db, 20'000); // a third of the pool
  for (std::uint64_t i = 0; i < 20'000; ++i)
    REQUIRE(space.set(odd_key(i), bytes_of(odd_value_bytes, i)) == errc::ok);
  namespace_settings settings;
  settings.policy = policy_kind::lru;
  REQUIRE(s.db.configure(default_ns, settings));
  CHECK(s.db.configure(space.id(), settings).code() == errc::wrong_type);
  CHECK(s.db.pin(space.id(), odd_key(1)) == errc::wrong_type);
  CHECK(tiered_cache::make(s.db, "inline", nullptr, {}).code()
        == errc::wrong_type);
  CHECK(s.db.unpin(space.id(), odd_key(1)) == errc::wrong_type);
  for (std::uint64_t i = 0; i < 30'000; ++i)
    REQUIRE(s.db.set(default_ns, "k" + std::to_string(i % 20'000),
                     bytes_of(100 + i % 300, i))
            == errc::ok);
  CHECK(s.db.stats().evicted > 0);
  while (s.db.compact(mebibyte)->moved_bytes > 0)
    ;
  CHECK(s.db.namespaces().back().entries == 20'000);
  std::string value;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    REQUIRE(space.get(odd_key(i), value) == errc::ok);
    REQUIRE(value == bytes_of(odd_value_bytes, i));
  }
  CHECK(*s.db.verify() == 0);
}
