#include "memory/checked_open.hpp"

#include "memory/backup_fixture.test.hpp"
#include "memory/geometry.hpp"
#include "memory/layout.hpp"

#include <fstream>
#include <random>

#include <sys/stat.h>
#include <sys/wait.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

std::string bytes_in(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file{path, std::ios::binary | std::ios::trunc};
  file << bytes;
  file.close();
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
}

/// Makes a copy of a segment one that an earlier run of the machine used.
void age(std::string& bytes) {
  layout::header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  auto shape = read_geometry(header, bytes.size(), "copy");
  REQUIRE(shape);
  std::uint64_t other_boot = 1;
  auto offset =
    shape->backup_offset
    + offsetof(layout::backup_record<native_sync>, attached_boot_id);
  std::memcpy(bytes.data() + offset, &other_boot, sizeof other_boot);
}

} // namespace

TEST_CASE("a segment that was left properly is kept as it is", "[checked]") {
  temporary_path path;
  {
    auto made = store::create(path.str(), {.segment_bytes = mebibyte});
    REQUIRE(made);
    REQUIRE(made->set(default_ns, "key", "value") == errc::ok);
  }
  auto opened = open_checked(path.str());
  REQUIRE(opened);
  CHECK(opened->report.clean);
  CHECK_FALSE(opened->report.rebuilt);
  CHECK(opened->report.entries == 1);
  CHECK(opened->report.bytes == 8);
  CHECK(opened->report.recovered_threads == 0);
  CHECK(value_of(opened->segment, "key") == "value");
}

TEST_CASE("after a kill the segment says what it kept", "[checked]") {
  temporary_path path;
  REQUIRE(store::create(path.str(), {.segment_bytes = 2 * mebibyte}));
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto own = store::open(path.str());
    for (int i = 0; own && i < 500; ++i)
      (void)own->set(default_ns, "key-" + std::to_string(i), "value");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  auto opened = open_checked(path.str());
  REQUIRE(opened);
  CHECK_FALSE(opened->report.clean);
  CHECK_FALSE(opened->report.rebuilt);
  CHECK(opened->report.entries == 500);
  CHECK(opened->report.recovered_threads == 1);
}

TEST_CASE("damaged entries are refused, or dropped and counted", "[checked]") {
  temporary_path path;
  {
    auto made = store::create(path.str(), {.segment_bytes = mebibyte});
    REQUIRE(made);
    for (int i = 0; i < 10; ++i)
      REQUIRE(
        made->set(default_ns, "key-" + std::to_string(i), std::string(100, 'x'))
        == errc::ok);
    value_view view;
    REQUIRE(made->view(default_ns, "key-3", view) == errc::ok);
    const_cast<char&>(view.bytes()[50]) ^= 4;
  }
  auto refused = open_checked(path.str());
  REQUIRE(refused.code() == errc::corrupt);
  CHECK(refused.error().message().find("1 entries are damaged, 9 are whole")
        != std::string::npos);
  auto repaired = open_checked(path.str(), repair_policy::repair);
  REQUIRE(repaired);
  CHECK(repaired->report.corrupt == 1);
  CHECK(repaired->report.entries == 9);
  CHECK(value_of(repaired->segment, "key-3") == "(E-NOTFOUND)");
  repaired->segment.close();
  auto again = open_checked(path.str());
  REQUIRE(again);
  CHECK(again->report.corrupt == 0);
}

TEST_CASE("pages of any age yield whole entries and a sound segment",
          "[checked]") {
  temporary_path copy;
  std::uint64_t kept = 0;
  for (std::uint32_t seed = 1; seed <= scaled(40); ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::map<std::string, std::vector<std::string>> ever;
    std::vector<std::string> snapshots;
    {
      segment from{{.segment_bytes = mebibyte, .bucket_count = 64}};
      for (int snapshot = 0; snapshot < 3; ++snapshot) {
        for (unsigned i = 0; i < 700; ++i) {
          auto key = "k" + std::to_string(random() % 600);
          if (random() % 5 == 0) {
            (void)from.db.erase(default_ns, key);
            continue;
          }
          auto value =
            bytes_of(random() % (random() % 8 == 0 ? 3000 : 120), random());
          if (from.db.set(default_ns, key, value) == errc::ok)
            ever[key].push_back(value);
        }
        if (snapshot == 1 && seed % 2 == 0)
          (void)from.db.grow_index();
        snapshots.push_back(bytes_in(from.path.str()));
      }
    }
    auto mixed = snapshots.back();
    constexpr std::size_t page = 4096;
    for (std::size_t at = page; at + page <= mixed.size(); at += page)
      mixed.replace(at, page, snapshots[random() % snapshots.size()], at, page);
    // The first page is old as well every other time.
    if (seed % 3 == 0)
      mixed.replace(0, page, snapshots.front(), 0, page);
    age(mixed);
    write_file(copy.str(), mixed);
    auto opened = open_checked(copy.str(), repair_policy::repair);
    if (!opened)
      FAIL(opened.error().to_string());
    CHECK(opened->report.power_lost);
    CHECK(opened->report.rebuilt);
    auto& db = opened->segment;
    content model = content_of(db);
    CHECK(model.size() == opened->report.entries);
    CHECK(db.stats().entries == model.size());
    kept += model.size();
    for (auto& [name, value] : model) {
      auto& known = ever[name.second];
      REQUIRE(std::find(known.begin(), known.end(), value) != known.end());
    }
    // And it works as any other.
    for (unsigned i = 0; i < 600; ++i) {
      auto key = "k" + std::to_string(random() % 600);
      if (random() % 3 == 0) {
        auto erased = db.erase(default_ns, key);
        CHECK((erased == errc::ok) == (model.erase({"default", key}) == 1));
      } else {
        auto value = bytes_of(random() % 100, random());
        REQUIRE(db.set(default_ns, key, value) == errc::ok);
        model[{"default", key}] = value;
      }
    }
    REQUIRE(content_of(db) == model);
  }
  CHECK(kept > 0);
}

TEST_CASE("who comes back to a segment is told how it was left and what it "
          "kept",
          "[checked]") {
  temporary_path path;
  const segment_options options{.segment_bytes = mebibyte};
  auto said = [](const found_segment& found, const std::string& part) {
    return found.describe().find(part) != std::string::npos;
  };
  {
    auto made = open_or_create_checked(path.str(), options);
    REQUIRE(made);
    CHECK(made->made);
    CHECK(said(*made, "made"));
    for (int i = 0; i < 500; ++i)
      REQUIRE(made->segment.set(default_ns, "key-" + std::to_string(i), "value")
              == errc::ok);
    auto beside = open_or_create_checked(path.str(), options);
    REQUIRE(beside);
    CHECK(beside->shared);
    CHECK(said(*beside, "500 entries"));
    CHECK(said(*beside, "others are using it"));
  }

  SECTION("left properly") {
    auto found = open_or_create_checked(path.str(), options);
    REQUIRE(found);
    CHECK_FALSE(found->made);
    CHECK_FALSE(found->checked);
    CHECK(found->report.clean);
    CHECK(found->report.entries == 500);
    CHECK(said(*found, "left properly"));
  }
  SECTION("killed") {
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto own = store::open(path.str());
      if (own)
        (void)own->set(default_ns, "last", "words");
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    auto found = open_or_create_checked(path.str(), options);
    REQUIRE(found);
    CHECK_FALSE(found->report.clean);
    CHECK_FALSE(found->report.power_lost);
    CHECK_FALSE(found->checked);
    CHECK(found->report.entries == 501);
    CHECK(found->report.recovered_threads == 1);
    CHECK(said(*found, "killed, 1 thread of his was cleaned up after"));
    CHECK(value_of(found->segment, "last") == "words");
  }
  SECTION("the machine was stopped") {
    {
      auto db = store::open(path.str());
      REQUIRE(db);
      value_view view;
      REQUIRE(db->view(default_ns, "key-3", view) == errc::ok);
      const_cast<char&>(view.bytes()[0]) ^= 4;
    }
    auto bytes = bytes_in(path.str());
    age(bytes);
    write_file(path.str(), bytes);
    auto found = open_or_create_checked(path.str(), options);
    REQUIRE(found);
    CHECK(found->checked);
    CHECK(found->report.power_lost);
    CHECK(found->report.entries == 499);
    CHECK(said(*found, "kept 499 entries"));
    CHECK(said(*found, "1 was not whole and dropped"));
    CHECK(value_of(found->segment, "key-3") == "(E-NOTFOUND)");
    CHECK(value_of(found->segment, "key-4") == "value");
  }
}
