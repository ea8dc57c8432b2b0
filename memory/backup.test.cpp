#include "memory/backup.hpp"

#include "memory/backup_fixture.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <random>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

constexpr segment_options small{.segment_bytes = 2 * mebibyte};

void fill(store& db, std::size_t count, std::uint64_t seed = 0,
          std::size_t size = 40) {
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(
      db.set(default_ns, "key-" + std::to_string(i), bytes_of(size, seed + i))
      == errc::ok);
}

} // namespace

TEST_CASE("a restored segment holds what was backed up", "[backup][threads]") {
  segment from{small};
  auto ns = from.db.open_namespace("second");
  REQUIRE(ns);
  fill(from.db, 1000);
  REQUIRE(from.db.set(*ns, "key-1", "other") == errc::ok);
  REQUIRE(from.db.set(*ns, std::string(5000, 'k'), "") == errc::ok);
  REQUIRE(from.db.set(*ns, "long", bytes_of(100'000, 1)) == errc::ok);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  auto report = must_run(writer);
  CHECK(report.base);
  CHECK(report.written);
  CHECK(report.entries == 1003);
  CHECK(report.generation == 1);
  auto back = restore_from(disk);
  CHECK(back.entries == content_of(from.db));
  CHECK(back.report.entries == 1003);
  CHECK(back.report.intact());
  CHECK(back.report.ignored_bytes == 0);
}

TEST_CASE("a generation holds what changed and no more", "[backup]") {
  segment from{small};
  fill(from.db, 2000);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  auto base = must_run(writer);
  SECTION("nothing") {
    auto report = must_run(writer);
    CHECK_FALSE(report.written);
    CHECK(report.bytes == 0);
    CHECK(report.generation == base.generation);
  }
  SECTION("an entry replaced, one new, one erased") {
    REQUIRE(from.db.set(default_ns, "key-7", "replaced") == errc::ok);
    REQUIRE(from.db.set(default_ns, "new", "one") == errc::ok);
    REQUIRE(from.db.erase(default_ns, "key-8") == errc::ok);
    auto report = must_run(writer);
    CHECK_FALSE(report.base);
    CHECK(report.regions <= 3);
    CHECK(report.entries < 60);
    CHECK(report.bytes < base.bytes / 20);
    auto back = restore_from(disk);
    CHECK(back.entries == content_of(from.db));
    CHECK(back.report.generation == 2);
    CHECK(back.report.base_generation == 1);
  }
  SECTION("a failed condition changes nothing") {
    CHECK(from.db.set_if_absent(default_ns, "key-1", "x") == errc::exists);
    CHECK_FALSE(must_run(writer).written);
  }
}

TEST_CASE("a long value that did not change is named, not written again",
          "[backup]") {
  segment from{{.segment_bytes = 8 * mebibyte, .bucket_count = 64}};
  for (int i = 0; i < 40; ++i)
    REQUIRE(
      from.db.set(default_ns, "long-" + std::to_string(i), bytes_of(50'000, 1))
      == errc::ok);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk, {.fold_percent = 10'000});
  must_run(writer);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 200; ++i)
      REQUIRE(from.db.set(default_ns, "short-" + std::to_string(i),
                          std::to_string(round))
              == errc::ok);
    if (round == 2)
      REQUIRE(from.db.set(default_ns, "long-3", bytes_of(60'000, 2))
              == errc::ok);
    if (round == 3)
      REQUIRE(from.db.erase(default_ns, "long-4") == errc::ok);
    auto report = must_run(writer);
    CHECK(report.kept >= 30);
    CHECK(report.bytes < 200'000);
    auto back = restore_from(disk);
    CHECK(back.entries == content_of(from.db));
    CHECK(back.report.intact());
  }
  // A writer that begins anew knows of none and writes them again.
  { auto gone = std::move(writer); }
  auto second = open_writer(from.db, disk, {.fold_percent = 10'000});
  REQUIRE(from.db.set(default_ns, "short-1", "again") == errc::ok);
  auto report = must_run(second);
  CHECK_FALSE(report.base);
  CHECK(restore_from(disk).entries == content_of(from.db));
}

TEST_CASE("a log that grew past its share becomes a base", "[backup]") {
  segment from{small};
  fill(from.db, 500);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk, {.fold_percent = 50});
  must_run(writer);
  unsigned bases = 0;
  for (std::uint64_t round = 0; round < 30; ++round) {
    fill(from.db, 60, 1000 * round);
    bases += must_run(writer).base ? 1 : 0;
    REQUIRE(restore_from(disk).entries == content_of(from.db));
    // Of older bases nothing is left.
    CHECK(disk.files().size() <= 2);
  }
  CHECK(bases >= 2);
  CHECK(bases <= 20);
}

TEST_CASE("a backup in steps is the same as one at once", "[backup]") {
  segment from{small};
  fill(from.db, 3000);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  std::size_t steps = 0;
  for (;; ++steps) {
    auto done = writer.step(16 * kibibyte);
    REQUIRE(done);
    if (*done) {
      CHECK((**done).entries == 3000);
      break;
    }
    CHECK(writer.in_progress());
  }
  CHECK(steps > 5);
  CHECK_FALSE(writer.in_progress());
  CHECK(restore_from(disk).entries == content_of(from.db));
}

TEST_CASE("a generation that is given up leaves its changes to the next",
          "[backup]") {
  segment from{small};
  fill(from.db, 1000);
  faulty_disk disk;
  {
    auto writer = open_writer(from.db, disk);
    must_run(writer);
    fill(from.db, 1000, 5000);
    REQUIRE(writer.step(1000));
    REQUIRE(writer.in_progress());
  }
  auto writer = open_writer(from.db, disk);
  auto report = must_run(writer);
  CHECK_FALSE(report.base);
  CHECK(restore_from(disk).entries == content_of(from.db));
}

TEST_CASE("expiry is a point in time, also across a restore", "[backup]") {
  segment from{small};
  REQUIRE(from.db.set(default_ns, "soon", "x", {.ttl_ms = 1}) == errc::ok);
  REQUIRE(from.db.set(default_ns, "late", "y", {.ttl_ms = 100'000})
          == errc::ok);
  entry_info before;
  REQUIRE(from.db.info(default_ns, "late", before) == errc::ok);
  REQUIRE(eventually([&] { return !from.db.contains(default_ns, "soon"); }));
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  must_run(writer);
  temporary_path path;
  auto medium = disk.medium();
  REQUIRE(restore_backup(*medium, path.str()));
  auto back = store::open(path.str());
  REQUIRE(back);
  entry_info after;
  REQUIRE(back->info(default_ns, "late", after) == errc::ok);
  CHECK(after.expires_at_ms == before.expires_at_ms);
  CHECK_FALSE(back->contains(default_ns, "soon"));
}

TEST_CASE("a namespace that was dropped takes its entries along", "[backup]") {
  segment from{small};
  auto first = from.db.open_namespace("first");
  REQUIRE(first);
  fill(from.db, 200);
  for (int i = 0; i < 200; ++i)
    REQUIRE(from.db.set(*first, std::to_string(i), "of the first") == errc::ok);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  must_run(writer);
  SECTION("between two generations") {
    REQUIRE(from.db.drop_namespace("first"));
    auto second = from.db.open_namespace("second");
    REQUIRE(second);
    REQUIRE(*second == *first); // the number is in use again
    REQUIRE(from.db.set(*second, "1", "of the second") == errc::ok);
    must_run(writer);
    CHECK(restore_from(disk).entries == content_of(from.db));
  }
  SECTION("in the middle of one") {
    for (int i = 0; i < 200; ++i)
      REQUIRE(from.db.set(*first, std::to_string(i), "again") == errc::ok);
    REQUIRE(writer.step(1));
    REQUIRE(writer.in_progress());
    REQUIRE(from.db.drop_namespace("first"));
    auto second = from.db.open_namespace("second");
    REQUIRE(second);
    REQUIRE(from.db.set(*second, "1", "of the second") == errc::ok);
    must_run(writer);
    for (auto& [name, value] : restore_from(disk).entries)
      CHECK(name.first == "default");
    must_run(writer);
    CHECK(restore_from(disk).entries == content_of(from.db));
  }
}

TEST_CASE("an index that doubles in the middle loses nothing", "[backup]") {
  segment from{{.segment_bytes = 8 * mebibyte, .bucket_count = 64}};
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  must_run(writer);
  std::size_t next = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 1500; ++i, ++next) {
      REQUIRE(from.db.set(default_ns, "k" + std::to_string(next),
                          std::to_string(next))
              == errc::ok);
      if (i % 300 == 0)
        REQUIRE(writer.step(1000));
    }
    while (writer.in_progress())
      REQUIRE(writer.step(1000));
    must_run(writer);
    REQUIRE(restore_from(disk).entries == content_of(from.db));
  }
  CHECK(from.db.stats().index_doublings > 0);
}

TEST_CASE("who goes on with a backup does so only where nothing is missing",
          "[backup]") {
  segment from{small};
  fill(from.db, 300);
  faulty_disk disk;
  {
    auto writer = open_writer(from.db, disk);
    must_run(writer);
    fill(from.db, 10, 77);
    CHECK_FALSE(must_run(writer).base);
  }
  SECTION("the same segment, the same directory") {
    auto writer = open_writer(from.db, disk);
    fill(from.db, 10, 99);
    CHECK_FALSE(must_run(writer).base);
    CHECK(restore_from(disk).entries == content_of(from.db));
  }
  SECTION("another directory was in between") {
    faulty_disk other;
    fill(from.db, 10, 99);
    {
      auto writer = open_writer(from.db, other);
      must_run(writer);
    }
    auto writer = open_writer(from.db, disk);
    CHECK(must_run(writer).base);
    CHECK(restore_from(disk).entries == content_of(from.db));
  }
  SECTION("another segment") {
    segment other{small};
    fill(other.db, 20);
    auto writer = open_writer(other.db, disk);
    auto report = must_run(writer);
    CHECK(report.base);
    CHECK(report.generation == 3);
    CHECK(restore_from(disk).entries == content_of(other.db));
  }
}

TEST_CASE("a directory and a segment have one writer each", "[backup]") {
  segment from{small};
  temporary_directory directory;
  auto path = directory.path().string();
  auto writer = backup_writer::open(from.db, path + "/one");
  REQUIRE(writer);
  CHECK(backup_writer::open(from.db, path + "/two").code() == errc::locked);
  segment other{small};
  CHECK(backup_writer::open(other.db, path + "/one").code() == errc::locked);
  auto reader = from.attach(access_mode::read_only);
  CHECK(backup_writer::open(reader, path + "/two").code() == errc::read_only);
}

TEST_CASE("a backup in a directory of the file system comes back", "[backup]") {
  segment from{small};
  fill(from.db, 2000);
  temporary_directory directory;
  auto path = (directory.path() / "backup").string();
  temporary_path target;
  {
    auto writer = backup_writer::open(from.db, path);
    REQUIRE(writer);
    must_run(*writer);
    fill(from.db, 100, 7);
    must_run(*writer);
    // A reader does not mind the writer.
    auto seen = verify_backup(path);
    REQUIRE(seen);
    CHECK(seen->intact());
    CHECK(seen->entries == 2000);
  }
  std::uint64_t told = 0;
  auto report =
    restore_backup(path, target.str(),
                   {.progress = [&](std::uint64_t done, std::uint64_t total) {
                     CHECK(done <= total);
                     told = done;
                   }});
  REQUIRE(report);
  CHECK(told > 0);
  auto back = store::open(target.str());
  REQUIRE(back);
  CHECK(content_of(*back) == content_of(from.db));
  CHECK(restore_backup(path, target.str()).code() == errc::exists);
  CHECK(verify_backup(path + "/none").code() == errc::bad_path);
  CHECK(verify_backup(directory.path().string()).code() == errc::not_found);
}

TEST_CASE("a segment too small for the backup is refused by name", "[backup]") {
  segment from{{.segment_bytes = 8 * mebibyte}};
  fill(from.db, 3000, 0, 1000);
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  must_run(writer);
  temporary_path path;
  auto medium = disk.medium();
  auto refused = restore_backup(*medium, path.str(), {.segment = small});
  CHECK(refused.code() == errc::no_space);
  CHECK(store::open(path.str()).code() == errc::bad_path);
}

TEST_CASE("random operations and backups agree with a map", "[backup][model]") {
  for (std::uint32_t seed = 1; seed <= scaled(8); ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    segment from{{.segment_bytes = 4 * mebibyte, .bucket_count = 64}};
    faulty_disk disk;
    auto writer =
      std::make_optional(open_writer(from.db, disk, {.fold_percent = 200}));
    content model;
    for (int round = 0; round < 12; ++round) {
      // What is written while a generation is being written may or may not be
      // in it.
      content before = model;
      std::map<std::pair<std::string, std::string>, std::vector<std::string>>
        meanwhile;
      bool begun = false;
      auto operations = random() % 400;
      for (unsigned i = 0; i < operations; ++i) {
        if (i == operations / 2) {
          before = model;
          meanwhile.clear();
          REQUIRE(writer->step(1 + random() % 5000));
          begun = writer->in_progress();
        } else if (begun && random() % 20 == 0) {
          REQUIRE(writer->step(1 + random() % 5000));
          begun = writer->in_progress();
          if (!begun)
            break;
        }
        std::pair<std::string, std::string> name{
          "default", "k" + std::to_string(random() % 300)};
        auto& key = name.second;
        if (random() % 4 == 0) {
          (void)from.db.erase(default_ns, key);
          model.erase(name);
        } else {
          auto value = bytes_of(
            random() % 16 == 0 ? random() % 9000 : random() % 100, random());
          REQUIRE(from.db.set(default_ns, key, value) == errc::ok);
          model[name] = value;
        }
        meanwhile[name].push_back(model.contains(name) ? model[name] : "");
      }
      while (writer->in_progress())
        REQUIRE(writer->step(5000));
      if (!begun)
        must_run(*writer);
      auto back = restore_from(disk);
      REQUIRE(back.report.intact());
      auto check = [&](const auto& name) {
        CAPTURE(name.second, round);
        auto found = back.entries.find(name);
        auto is = found == back.entries.end() ? "" : found->second;
        auto was = before.contains(name) ? before.at(name) : "";
        auto& then = meanwhile[name];
        then.push_back(was);
        REQUIRE(std::find(then.begin(), then.end(), is) != then.end());
      };
      for (auto& [name, value] : model)
        check(name);
      for (auto& [name, value] : before)
        check(name);
      for (auto& [name, value] : back.entries)
        REQUIRE((model.contains(name) || before.contains(name)
                 || meanwhile.contains(name)));
      // And all of it in the next one.
      must_run(*writer);
      REQUIRE(restore_from(disk).entries == model);
      if (random() % 4 == 0) {
        writer.reset();
        writer.emplace(open_writer(from.db, disk, {.fold_percent = 200}));
      }
    }
  }
}
