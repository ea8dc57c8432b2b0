#include "memory/fixture.test.hpp"
#include "memory/geometry.hpp"

#include <cstring>
#include <functional>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

void write_file(const std::string& path, const void* bytes, std::size_t size,
                off_t length) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(::pwrite(fd, bytes, size, 0) == static_cast<ssize_t>(size));
  REQUIRE(::ftruncate(fd, length) == 0);
  ::close(fd);
}

layout::header good_header() {
  auto header = plan_segment({.segment_bytes = mebibyte}, 1);
  REQUIRE(header);
  return *header;
}

/// Exit status of `body` in a forked child.
int in_child(const std::function<int()>& body) {
  auto child = ::fork();
  if (child == 0)
    ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

} // namespace

TEST_CASE("create refuses geometry that cannot be", "[attach][limits]") {
  temporary_path path;
  auto refused = [&](const segment_options& options) {
    auto made = store::create(path.str(), options);
    CHECK(made.code() == errc::config);
    CHECK(::access(path.str().c_str(), F_OK) != 0);
  };
  refused({.segment_bytes = 0});
  refused({.segment_bytes = mebibyte - 1});
  refused({.segment_bytes = limits::max_segment_bytes + 1});
  refused({.segment_bytes = ~std::uint64_t{0}});
  refused({.segment_bytes = 2 * mebibyte, .reserved_bytes = mebibyte});
  refused({.segment_bytes = 2 * mebibyte, .reserved_bytes = ~std::uint64_t{0}});
  refused({.segment_bytes = mebibyte, .bucket_count = ~std::uint64_t{0}});
  refused({.segment_bytes = mebibyte, .bucket_count = 8193});
  refused({.segment_bytes = mebibyte, .max_entries = ~std::uint64_t{0}});
  CHECK(store::create(path.str(), {.segment_bytes = mebibyte}));
}

TEST_CASE("create leaves alone what has the name already", "[attach]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "v") == errc::ok);
  auto again = store::create(s.path.str(), {});
  CHECK(again.code() == errc::exists);
  CHECK(value_of(s.db, "k") == "v");
  auto opened = store::open_or_create(s.path.str(), {});
  REQUIRE(opened);
  CHECK(value_of(*opened, "k") == "v");
}

TEST_CASE("open says what is wrong with a path", "[attach]") {
  temporary_path path;
  const auto& name = path.str();
  CHECK(store::open(name).code() == errc::bad_path);
  CHECK(store::open("").code() == errc::bad_path);
  CHECK(store::open("/dev/shm").code() == errc::bad_path);
  CHECK(store::open("/dev/null").code() == errc::bad_path);
  CHECK(store::open(name + "/missing/parent").code() == errc::bad_path);
  CHECK(store::open(std::string(5000, 'p')).code() == errc::bad_path);
  CHECK(store::create(name + "/missing/parent", {}).code() == errc::bad_path);
  CHECK(store::create("/dev/shm", {}).code() == errc::exists);
  REQUIRE(::mkfifo(name.c_str(), 0600) == 0);
  CHECK(store::open(name).code() == errc::bad_path);
  CHECK(store::open(name, access_mode::read_only).code() == errc::bad_path);
  ::unlink(name.c_str());
  REQUIRE(::symlink("/dev/shm/there-is-no-such-file", name.c_str()) == 0);
  CHECK(store::open(name).code() == errc::bad_path);
  CHECK(store::create(name, {}).code() == errc::exists);
  CHECK_FALSE(store::open_or_create(name, {}));
  CHECK(store::remove(name));
  CHECK(store::remove(name).code() == errc::bad_path);
  CHECK(store::open(name).error().message().find(name) != std::string::npos);
}

TEST_CASE("open refuses lengths that no segment has", "[attach]") {
  temporary_path path;
  auto header = good_header();
  auto length = static_cast<off_t>(header.file_bytes);
  for (off_t wrong :
       {off_t{0}, off_t{1}, off_t{63}, off_t{64}, off_t{4096}, off_t{65536},
        length - 4096, length - 1, length + 1, length + 4096, off_t{1} << 40}) {
    CAPTURE(wrong);
    write_file(path.str(), &header, wrong == 0 ? 0 : 1, wrong);
    if (wrong >= 64)
      write_file(path.str(), &header, sizeof header, wrong);
    CHECK(store::open(path.str()).code() == errc::segment_size);
    CHECK(store::open(path.str(), access_mode::read_only).code()
          == errc::segment_size);
  }
}

TEST_CASE("open refuses headers that are not ours", "[attach]") {
  temporary_path path;
  auto header = good_header();
  auto open_with = [&](const layout::header& forged) {
    write_file(path.str(), &forged, sizeof forged,
               static_cast<off_t>(header.file_bytes));
    return store::open(path.str()).code();
  };
  layout::header nothing{};
  CHECK(open_with(nothing) == errc::corrupt);
  auto forged = header;
  forged.magic = 0x12345678;
  CHECK(open_with(forged) == errc::corrupt);
  forged = header;
  forged.magic = __builtin_bswap32(layout::magic);
  CHECK(open_with(forged) == errc::corrupt);
  for (auto [other, advice] :
       {std::pair{layout::version - 1, "the older release that wrote it, or "
                                       "remove it and fill a new one"},
        std::pair{layout::version + 1, "the newer release that wrote it"}}) {
    forged = header;
    forged.version = other;
    forged.checksum = header_checksum(forged);
    CHECK(open_with(forged) == errc::version);
    CHECK(store::open(path.str()).error().message()
          == "segment " + path.str() + ": layout version "
               + std::to_string(other) + ", this program knows "
               + std::to_string(layout::version) + ": open it with " + advice);
  }
  // Every bit of the header counts.
  for (std::size_t bit = 0; bit < 8 * sizeof header; ++bit) {
    auto bytes = header;
    auto* raw = reinterpret_cast<unsigned char*>(&bytes);
    raw[bit / 8] = static_cast<unsigned char>(raw[bit / 8] ^ 1U << bit % 8);
    auto answer = open_with(bytes);
    if (answer != errc::corrupt && answer != errc::version)
      FAIL("bit " << bit << ": " << code_name(answer));
  }
}

TEST_CASE("open refuses files that others may touch", "[attach]") {
  segment s;
  for (mode_t mode : {0666U, 0640U, 0604U, 0620U, 0601U}) {
    CAPTURE(mode);
    REQUIRE(::chmod(s.path.str().c_str(), mode) == 0);
    CHECK(store::open(s.path.str()).code() == errc::segment_mode);
  }
  REQUIRE(::chmod(s.path.str().c_str(), 0600) == 0);
  CHECK(store::open(s.path.str()));
  struct stat info {};
  REQUIRE(::stat(s.path.str().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);
  if (::geteuid() == 0) {
    REQUIRE(::chown(s.path.str().c_str(), 12345, 12345) == 0);
    CHECK(store::open(s.path.str()).code() == errc::segment_mode);
  }
}

TEST_CASE("a read-only attachment reads and does nothing else", "[attach]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "1") == errc::ok);
  auto reader = s.attach(access_mode::read_only);
  CHECK(reader.mode() == access_mode::read_only);
  CHECK(value_of(reader, "k") == "1");
  CHECK(count_entries(reader) == 1);
  std::vector<get_request> gets{{"k", {}}, {"absent", {}}};
  CHECK(reader.get_many(default_ns, gets) == errc::ok);
  CHECK(gets[0].value == "1");
  CHECK(gets[1].status == errc::not_found);
  std::string value;
  value_view view;
  scan_cursor cursor;
  std::int64_t sum = 0;
  std::uint64_t removed = 0;
  std::size_t length = 0;
  std::size_t swept = 0;
  bool had = false;
  std::vector<set_request> sets{{"k", "2"}};
  CHECK(reader.view(default_ns, "k", view) == errc::read_only);
  CHECK(reader.set(default_ns, "k", "2") == errc::read_only);
  CHECK(reader.set_if_absent(default_ns, "k", "2") == errc::read_only);
  CHECK(reader.set_if_present(default_ns, "k", "2") == errc::read_only);
  CHECK(reader.set_many(default_ns, sets) == errc::read_only);
  CHECK(reader.exchange(default_ns, "k", "2", value, had) == errc::read_only);
  CHECK(reader.compare_and_swap(default_ns, "k", "1", "2") == errc::read_only);
  CHECK(reader.increment(default_ns, "k", 1, sum) == errc::read_only);
  CHECK(reader.append(default_ns, "k", "2", length) == errc::read_only);
  CHECK(reader.erase(default_ns, "k") == errc::read_only);
  CHECK(reader.take(default_ns, "k", value) == errc::read_only);
  CHECK(reader.expire(default_ns, "k", 10) == errc::read_only);
  CHECK(reader.persist(default_ns, "k") == errc::read_only);
  CHECK(reader.clear(default_ns, removed) == errc::read_only);
  CHECK(reader.sweep_expired(default_ns, cursor, 10, swept) == errc::read_only);
  CHECK(reader.open_namespace("new").code() == errc::read_only);
  CHECK(reader.open_namespace("default"));
  CHECK(reader.drop_namespace("new").code() == errc::read_only);
  CHECK(reader.expand_pool(4096).code() == errc::read_only);
  CHECK(reader.grow_index().code() == errc::read_only);
  CHECK(reader.recover().code() == errc::read_only);
  CHECK(*reader.verify() == 0);
  CHECK(reader.stats().entries == 1);
  CHECK(reader.stats().participants == 1);
  REQUIRE(s.db.set(default_ns, "k", "3") == errc::ok);
  CHECK(value_of(reader, "k") == "3");
}

TEST_CASE("a closed store answers closed", "[attach]") {
  segment s;
  auto other = s.attach();
  REQUIRE(s.db.set(default_ns, "k", "v") == errc::ok);
  CHECK(other.stats().participants == 2);
  s.db.close();
  s.db.close();
  std::string value;
  scan_cursor cursor;
  std::uint64_t removed = 0;
  value_view view;
  CHECK(s.db.get(default_ns, "k", value) == errc::closed);
  CHECK(s.db.set(default_ns, "k", "w") == errc::closed);
  CHECK(s.db.erase(default_ns, "k") == errc::closed);
  CHECK(s.db.view(default_ns, "k", view) == errc::closed);
  CHECK(s.db.clear(default_ns, removed) == errc::closed);
  CHECK(s.db.scan(default_ns, cursor, 1, [](const scan_entry&) {})
        == errc::closed);
  CHECK(s.db.get_many(default_ns, {}) == errc::closed);
  CHECK(s.db.set_many(default_ns, {}) == errc::closed);
  CHECK(s.db.open_namespace("n").code() == errc::closed);
  CHECK(s.db.find_namespace("default").code() == errc::closed);
  CHECK(s.db.recover().code() == errc::closed);
  CHECK(s.db.verify().code() == errc::closed);
  CHECK(s.db.grow_index().code() == errc::closed);
  CHECK(s.db.expand_pool(4096).code() == errc::closed);
  CHECK(s.db.namespaces().empty());
  CHECK(s.db.path() == s.path.str());
  CHECK(other.stats().participants == 1);
  CHECK(value_of(other, "k") == "v");
}

TEST_CASE("a child of fork is told to open the store again", "[attach]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "parent") == errc::ok);
  auto status = in_child([&] {
    std::string value;
    if (s.db.get(default_ns, "k", value) != errc::forked
        || s.db.set(default_ns, "k", "child") != errc::forked)
      return 1;
    auto own = store::open(s.path.str());
    if (!own || own->set(default_ns, "k", "child") != errc::ok)
      return 2;
    s.db.close();
    return 0;
  });
  CHECK(status == 0);
  CHECK(value_of(s.db, "k") == "child");
  // The child's end took nothing of ours away.
  auto recovered = s.db.recover();
  REQUIRE(recovered);
  CHECK(s.db.set(default_ns, "k", "parent again") == errc::ok);
  auto watcher = s.attach();
  auto found = watcher.recover();
  REQUIRE(found);
  CHECK(*found == 0);
  CHECK(watcher.stats().participants == 2);
}

TEST_CASE("the segment tells whether the last writer left properly",
          "[attach]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "v") == errc::ok);
  s.db.close();
  CHECK(in_child([&]() -> int {
          auto own = store::open(s.path.str());
          auto good = own && own->stats().clean_shutdown
                      && own->set(default_ns, "k", "w") == errc::ok;
          ::_exit(good ? 0 : 1); // without closing
        })
        == 0);
  auto next = s.attach();
  CHECK_FALSE(next.stats().clean_shutdown);
  CHECK(next.stats().participants == 1);
  CHECK(next.stats().threads == 1);
  CHECK(next.stats().recoveries >= 1);
  CHECK(value_of(next, "k") == "w");
}

TEST_CASE("several processes that create at once meet in one segment",
          "[attach]") {
  for (std::size_t round = 0; round < scaled(40); ++round) {
    temporary_path path;
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      auto child = ::fork();
      if (child == 0) {
        auto db =
          store::open_or_create(path.str(), {.segment_bytes = mebibyte});
        std::int64_t sum = 0;
        ::_exit(db && db->increment(default_ns, "n", 1, sum) == errc::ok ? 0
                                                                         : 1);
      }
      children.push_back(child);
    }
    for (auto child : children) {
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      CHECK(status == 0);
    }
    auto db = store::open(path.str());
    REQUIRE(db);
    CHECK(value_of(*db, "n") == "4");
  }
}
