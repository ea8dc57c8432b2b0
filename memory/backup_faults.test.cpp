// Backups on a disk that fails: at every single step of a generation, in every
// way. And files in which any byte may be wrong.
#include "memory/backup_chain.hpp"
#include "memory/backup_fixture.test.hpp"

#include <functional>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

using kind = disk_fault::kind;

/// A segment with a few generations behind it, about to write one more.
class scene {
public:
  explicit scene(bool fold)
    : options_{.fold_percent = fold ? 1U : 10'000U},
      from_{{.segment_bytes = mebibyte, .bucket_count = 64}} {
    change(0, 200);
    writer_.emplace(open_writer(from_.db, disk_, options_));
    must_run(*writer_);
    change(1, 90);
    must_run(*writer_);
    previous_ = content_of(from_.db);
    change(2, 60);
    REQUIRE(from_.db.erase(default_ns, "key-100") == errc::ok);
    now_ = content_of(from_.db);
  }

  void change(std::uint64_t round, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      REQUIRE(from_.db.set(default_ns, "key-" + std::to_string(i),
                           bytes_of(i % 50 == 0 ? 5000 : 30, 7 * round + i))
              == errc::ok);
  }

  /// What the disk holds must be the generation before, or the one that was
  /// being written: whole in either case.
  void must_be_whole(const char* when) {
    CAPTURE(when);
    auto medium = disk_.medium();
    auto seen = verify_backup(*medium);
    if (!seen)
      FAIL(seen.error().to_string());
    CHECK(seen->intact());
    auto back = restore_from(disk_);
    CHECK((back.entries == previous_ || back.entries == now_));
  }

  /// After whatever happened, the next generation holds everything.
  void must_catch_up() {
    change(3, 20);
    must_run(*writer_);
    CHECK(restore_from(disk_).entries == content_of(from_.db));
  }

  void begin_anew() {
    writer_.reset();
    writer_.emplace(open_writer(from_.db, disk_, options_));
  }

  faulty_disk& disk() {
    return disk_;
  }

  backup_writer& writer() {
    return *writer_;
  }

private:
  backup_options options_;
  faulty_disk disk_;
  segment from_;
  std::optional<backup_writer> writer_;
  content previous_;
  content now_;
};

/// Calls `with(scene, step)` for each step of a generation, until a generation
/// comes through without meeting its fault.
void at_each_step(bool fold, kind what, std::size_t most_a_write,
                  const std::function<void(scene&, std::uint64_t)>& with) {
  for (std::uint64_t at = 0;; ++at) {
    CAPTURE(fold, static_cast<int>(what), at);
    scene here{fold};
    here.disk().most_a_write = most_a_write;
    here.disk().set({what, at});
    (void)here.writer().run_once();
    if (!here.disk().struck()) {
      CHECK(at >= 5);
      return;
    }
    with(here, at);
  }
}

} // namespace

TEST_CASE("whoever is killed at any step leaves a whole backup",
          "[backup][faults]") {
  auto fold = GENERATE(false, true);
  auto what = GENERATE(kind::killed, kind::killed_after);
  at_each_step(fold, what, ~std::size_t{0}, [](scene& here, std::uint64_t) {
    here.disk().go_on();
    here.must_be_whole("after the kill");
    here.begin_anew();
    here.must_catch_up();
  });
}

TEST_CASE("power that fails at any step leaves a whole backup",
          "[backup][faults]") {
  auto fold = GENERATE(false, true);
  auto what = GENERATE(kind::killed, kind::killed_after);
  for (std::uint32_t seed = 0; seed < scaled(4); ++seed)
    at_each_step(fold, what, 700, [&](scene& here, std::uint64_t at) {
      here.disk().lose_power(seed * 1000 + static_cast<std::uint32_t>(at));
      here.must_be_whole("after the loss of power");
      here.begin_anew();
      here.must_catch_up();
    });
}

TEST_CASE("a full disk at any step leaves a whole backup, and no more is lost",
          "[backup][faults]") {
  auto fold = GENERATE(false, true);
  auto what = GENERATE(kind::no_space, kind::out_of_space);
  at_each_step(fold, what, 3000, [](scene& here, std::uint64_t) {
    here.must_be_whole("while the disk is full");
    // As long as it is full, nothing gets worse.
    (void)here.writer().run_once();
    here.must_be_whole("tried again");
    here.disk().go_on();
    here.must_catch_up();
  });
}

TEST_CASE("a disk that refuses a step, or a flush, leaves a whole backup",
          "[backup][faults]") {
  auto fold = GENERATE(false, true);
  at_each_step(fold, kind::io_error, ~std::size_t{0},
               [](scene& here, std::uint64_t) {
                 here.must_be_whole("after the error");
                 here.must_catch_up();
                 here.begin_anew();
                 here.must_catch_up();
               });
}

TEST_CASE("writes that come back short go on where they stopped",
          "[backup][faults]") {
  auto fold = GENERATE(false, true);
  for (auto most : {std::size_t{1}, std::size_t{13}, std::size_t{4096}}) {
    scene here{fold};
    here.disk().most_a_write = most;
    must_run(here.writer());
    here.must_catch_up();
  }
}

// -- damage -------------------------------------------------------------------

namespace {

/// A small backup with a log, and every value that was ever in it.
struct damaged_scene {
  faulty_disk disk;
  std::map<std::string, std::vector<std::string>> generations;
  content last;

  damaged_scene() {
    segment from{{.segment_bytes = mebibyte, .bucket_count = 64}};
    auto writer = open_writer(from.db, disk, {.fold_percent = 10'000});
    for (std::uint64_t round = 0; round < 3; ++round) {
      for (std::size_t i = round * 3; i < 20; ++i)
        set(from.db, "key-" + std::to_string(i),
            bytes_of(i == 19 ? 4500 : 20 + i, 100 * round + i),
            round == 2 && i == 19);
      must_run(writer);
    }
    last = content_of(from.db);
  }

  void set(store& db, const std::string& key, const std::string& value,
           bool leave) {
    if (leave)
      return;
    REQUIRE(db.set(default_ns, key, value) == errc::ok);
    generations[key].push_back(value);
  }

  /// Nothing may come out that was not there under its key.
  void check(const restored& back) const {
    for (auto& [name, value] : back.entries) {
      auto& known = generations.at(name.second);
      REQUIRE(std::find(known.begin(), known.end(), value) != known.end());
      // An older value may only come with the news that a generation is lost.
      if (value != last.at(name))
        REQUIRE(
          (back.report.lost_generations > 0 || back.report.ignored_bytes > 0));
    }
    REQUIRE(back.entries.size() + back.report.lost + back.report.corrupt
              + (back.report.lost_generations > 0
                     || back.report.ignored_bytes > 0
                     || back.report.damaged_frames > 0
                   ? 20U
                   : 0U)
            >= last.size());
  }

  /// Whether the damage, if there is any, was noticed; and repairs.
  bool noticed(bool restore_too) {
    auto medium = disk.medium();
    auto seen = verify_backup(*medium);
    if (!seen)
      return true;
    bool told = !seen->intact() || seen->ignored_bytes != 0;
    if (!restore_too)
      return told;
    temporary_path path;
    auto refused = restore_backup(*medium, path.str());
    CHECK(static_cast<bool>(refused) == seen->intact());
    if (!refused) {
      CHECK(refused.code() == errc::corrupt);
      auto options = restore_options{.policy = repair_policy::repair};
      temporary_path repaired;
      auto report = restore_backup(*medium, repaired.str(), options);
      REQUIRE(report);
      CHECK_FALSE(report->intact());
      auto opened = store::open(repaired.str());
      REQUIRE(opened);
      check({*report, content_of(*opened)});
    }
    return told;
  }
};

} // namespace

TEST_CASE("no byte of a backup can be wrong without being noticed",
          "[backup][faults]") {
  damaged_scene here;
  REQUIRE_FALSE(here.noticed(true));
  std::size_t tried = 0;
  for (auto& [name, file] : here.disk.files())
    for (std::size_t i = 0; i < file->now.size(); ++i, ++tried) {
      CAPTURE(name, i);
      auto before = file->now[i];
      file->now[i] = static_cast<char>(before ^ (1 << (tried % 8)));
      REQUIRE(here.noticed(tried % (under_asan ? 400 : 40) == 0));
      file->now[i] = before;
      if (under_asan)
        i += 9;
    }
  CHECK(tried > (under_asan ? 1000U : 10'000U));
}

TEST_CASE("a backup that was cut anywhere yields what is left of it",
          "[backup][faults]") {
  damaged_scene here;
  for (auto& [name, file] : here.disk.files()) {
    auto whole = file->now;
    for (std::size_t size = 0; size < whole.size(); size += 37) {
      CAPTURE(name, size);
      file->now.resize(size);
      (void)here.noticed(true);
    }
    file->now = whole;
  }
}

TEST_CASE("what lies about in a backup's files does no harm",
          "[backup][faults]") {
  std::mt19937 random{5};
  damaged_scene here;
  for (auto& [name, file] : here.disk.files()) {
    auto whole = file->now;
    for (int i = 0; i < 200; ++i) {
      CAPTURE(name, i);
      // A piece of the file over another, and random words.
      auto size = random() % 300 + 1;
      auto to = random() % (whole.size() - size);
      auto piece = i % 2 == 0 ? whole.substr(random() % whole.size(), size)
                              : bytes_of(size, random());
      file->now.replace(to, piece.size(), piece);
      (void)here.noticed(true);
      file->now = whole;
    }
  }
}

TEST_CASE("an entry that is damaged in the segment is left out and counted",
          "[backup]") {
  segment from{{.segment_bytes = mebibyte}};
  REQUIRE(from.db.set(default_ns, "good", "of use") == errc::ok);
  REQUIRE(from.db.set(default_ns, "bad", std::string(700, 'x')) == errc::ok);
  {
    value_view view;
    REQUIRE(from.db.view(default_ns, "bad", view) == errc::ok);
    const_cast<char&>(view.bytes()[5]) ^= 1;
  }
  faulty_disk disk;
  auto writer = open_writer(from.db, disk);
  auto report = must_run(writer);
  CHECK(report.corrupt == 1);
  CHECK(report.entries == 1);
  auto back = restore_from(disk);
  CHECK(back.entries.size() == 1);
  CHECK(back.report.intact());
}

TEST_CASE("a backup of a newer format is refused with both versions named",
          "[backup]") {
  damaged_scene here;
  for (auto& [name, file] : here.disk.files()) {
    if (!name.starts_with("base-"))
      continue;
    file->now[8] = 9; // whatever else the newer one changed
    auto medium = here.disk.medium();
    auto refused = verify_backup(*medium);
    REQUIRE(refused.code() == errc::version);
    CHECK(
      refused.error().message().find("format version 9, this program knows 1")
      != std::string::npos);
    segment from{{.segment_bytes = mebibyte}};
    // And it is not overwritten.
    CHECK(backup_writer::open(from.db, here.disk.medium()).code()
          == errc::version);
  }
}
