// Shared values in backups, and in segments that were left in any state.
#include "memory/backup_fixture.test.hpp"
#include "memory/checked_open.hpp"
#include "memory/dedup_fixture.test.hpp"

#include <fstream>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

void fill(sharing_segment& s) {
  for (std::size_t i = 0; i < 60; ++i) {
    auto key = "key " + std::to_string(i);
    auto size = i % 3 == 0 ? 6000U : 700U;
    REQUIRE(s.db.set(s.ns, key, bytes_of(size, i % 5)) == errc::ok);
    REQUIRE(s.db.set(default_ns, key, bytes_of(size, i)) == errc::ok);
  }
}

namespace_info info_of(const store& db) {
  for (auto& each : db.namespaces())
    if (each.name == "shared")
      return each;
  FAIL("no such namespace");
  return {};
}

} // namespace

TEST_CASE("a backup holds shared values whole, and a restore shares them again",
          "[dedup][backup]") {
  auto mode = GENERATE(compression_mode::off, compression_mode::adaptive);
  sharing_segment s{{.segment_bytes = 8 * mebibyte}, {.compression = mode}};
  fill(s);
  faulty_disk disk;
  auto writer = open_writer(s.db, disk);
  must_run(writer);
  // The second generation only names the long ones of the first.
  REQUIRE(s.db.set(s.ns, "more", bytes_of(700, 1)) == errc::ok);
  REQUIRE(s.db.set(s.ns, "text", std::string(9000, 't')) == errc::ok);
  REQUIRE(s.db.erase(s.ns, "key 1") == errc::ok);
  must_run(writer);
  auto back = restore_from(disk);
  CHECK(back.report.intact());
  CHECK(back.entries == content_of(s.db));

  temporary_path path;
  auto medium = disk.medium();
  REQUIRE(restore_backup(*medium, path.str(), {}));
  auto opened = store::open(path.str());
  REQUIRE(opened);
  CHECK(shared_census{*opened}.exact());
  auto now = info_of(*opened);
  auto before = s.info();
  CHECK(now.settings == before.settings);
  CHECK(now.entries == before.entries);
  CHECK(now.shared_entries == before.shared_entries);
  CHECK(now.contents == before.contents);
}

TEST_CASE("shared values are kept when a segment is checked after a kill",
          "[dedup][checked]") {
  sharing_segment s;
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto own = store::open(s.path.str());
    for (std::size_t i = 0; own && i < 200; ++i)
      (void)own->set(s.ns, "key-" + std::to_string(i), bytes_of(2000, i % 7));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  s.db.close();
  auto opened = open_checked(s.path.str());
  REQUIRE(opened);
  CHECK(opened->report.entries == 200);
  CHECK(opened->report.corrupt == 0);
  CHECK(shared_census{opened->segment}.exact());
  CHECK(info_of(opened->segment).contents == 7);

  // A damaged content is damage to each who refers to it.
  auto& impl = detail::store_impl::of(opened->segment);
  auto contents =
    impl.arena().name_record(detail::number(s.ns)).contents.load();
  impl.engine().contents().remove_bytes(*impl.self(), contents, 1);
  opened->segment.close();
  CHECK(open_checked(s.path.str(), repair_policy::refuse).code()
        == errc::corrupt);
  auto repaired = open_checked(s.path.str(), repair_policy::repair);
  REQUIRE(repaired);
  CHECK(repaired->report.corrupt == 29);
  CHECK(repaired->report.entries == 171);
  CHECK(shared_census{repaired->segment}.exact());
  CHECK(*repaired->segment.verify() == 0);
}

TEST_CASE("shared values are kept when a segment is rebuilt after a loss of "
          "power",
          "[dedup][checked]") {
  auto mode = GENERATE(compression_mode::off, compression_mode::adaptive);
  sharing_segment s{{.segment_bytes = 8 * mebibyte}, {.compression = mode}};
  fill(s);
  REQUIRE(s.db.set(s.ns, "text", std::string(9000, 't')) == errc::ok);
  auto before = content_of(s.db);
  auto info = s.info();
  // As an earlier run of the machine left it.
  detail::store_impl::of(s.db).arena().backup().attached_boot_id.store(1);
  s.db.close();
  auto opened = open_checked(s.path.str());
  REQUIRE(opened);
  CHECK(opened->report.rebuilt);
  CHECK(opened->report.corrupt == 0);
  CHECK(opened->report.astray == 0);
  CHECK(content_of(opened->segment) == before);
  CHECK(shared_census{opened->segment}.exact());
  CHECK(info_of(opened->segment).contents == info.contents);
  CHECK(info_of(opened->segment).settings == info.settings);
}
