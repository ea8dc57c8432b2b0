// Damage of each kind by itself: headers of another making, slots that name no
// block, lists in a ring, and a process number that has gone to somebody else.
// Whoever attaches is refused or goes on; nobody crashes, hangs or is served
// what was not stored.
//
// damage; exit 0 good, 1 not.
#include "memory/arena.hpp"
#include "memory/backup.hpp"
#include "memory/geometry.hpp"
#include "memory/store.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

constexpr auto ns = namespace_id::default_namespace;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
constexpr unsigned hang_seconds = 240;
constexpr int entries = 200;

using arena_type = basic_arena<native_sync>;

void expect(bool good, const std::string& what) {
  if (good)
    return;
  std::fprintf(stderr, "damage: not so: %s\n", what.c_str());
  std::exit(1);
}

std::string new_path() {
  static int next = 0;
  return "/dev/shm/neuroplex-damage-" + std::to_string(::getpid()) + "-"
         + std::to_string(next++);
}

std::string key_of(int i) {
  return "key" + std::to_string(i);
}

std::string value_of(int i) {
  return std::string(static_cast<std::size_t>(i) * 13 % 700,
                     static_cast<char>('a' + i % 26));
}

/// A segment with entries, and its bytes as whoever damages them has them
/// mapped.
class specimen {
public:
  specimen() : path_{new_path()} {
    auto made = store::create(path_, {.segment_bytes = 2 * mebibyte,
                                      .reserved_bytes = 4 * mebibyte,
                                      .bucket_count = layout::lines_per_group,
                                      .huge_pages = false});
    expect(bool{made}, "create");
    fill(*made);
    int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    struct stat info {};
    expect(fd >= 0 && ::fstat(fd, &info) == 0, "open the file");
    bytes_ = static_cast<std::size_t>(info.st_size);
    auto* mapped =
      ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    expect(mapped != MAP_FAILED, "map the file");
    base_ = static_cast<std::byte*>(mapped);
    layout::header header{};
    std::memcpy(&header, base_, sizeof header);
    shape_ = *read_geometry(header, bytes_, path_);
  }

  specimen(const specimen&) = delete;
  specimen& operator=(const specimen&) = delete;

  ~specimen() {
    ::munmap(base_, bytes_);
    ::unlink(path_.c_str());
  }

  static void fill(store& db) {
    for (int i = 0; i < entries; ++i)
      expect(db.set(ns, key_of(i), value_of(i)) == errc::ok, "set");
    for (int i = 0; i < entries; i += 3)
      expect(db.erase(ns, key_of(i)) == errc::ok, "erase");
  }

  [[nodiscard]] store attach() const {
    auto db = store::open(path_);
    expect(bool{db}, "attach");
    return std::move(*db);
  }

  [[nodiscard]] const std::string& path() const {
    return path_;
  }

  [[nodiscard]] std::byte* base() const {
    return base_;
  }

  [[nodiscard]] std::size_t bytes() const {
    return bytes_;
  }

  [[nodiscard]] const geometry& shape() const {
    return shape_;
  }

  [[nodiscard]] arena_type arena() const {
    return {base_, shape_};
  }

private:
  std::string path_;
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
  geometry shape_;
};

/// Does everything that can be done. What is read must have been stored.
void use_everything(store& db, const std::string& what) {
  auto check = [&](std::string_view key, std::string_view value) {
    bool known = false;
    for (int i = 0; i < entries && !known; ++i)
      known = key == key_of(i) && (value == value_of(i) || value == "new");
    expect(known, what + ": served what nobody stored");
  };
  std::string value;
  for (int i = 0; i < entries; ++i) {
    auto key = key_of(i);
    if (db.get(ns, key, value) == errc::ok)
      check(key, value);
    value_view view;
    if (db.view(ns, key, view) == errc::ok)
      value.assign(view.bytes());
  }
  scan_cursor cursor;
  while (!cursor.done())
    if (db.scan(ns, cursor, 50,
                [&](const scan_entry& entry) { check(entry.key, entry.value); })
        != errc::ok)
      break;
  (void)db.verify();
  (void)db.recover();
  for (int i = 0; i < entries; i += 2) {
    (void)db.set(ns, key_of(i), "new");
    if (db.get(ns, key_of(i), value) == errc::ok)
      check(key_of(i), value);
    (void)db.erase(ns, key_of(i + 1));
  }
  std::size_t evicted = 0;
  (void)db.configure(ns, {.policy = policy_kind::lru});
  (void)db.set_eviction_percent(1);
  (void)db.relieve_pressure(10, evicted);
  (void)db.compact(20'000);
  (void)db.defragment();
  (void)db.grow_index();
  (void)db.set(ns, key_of(1), "new");
  (void)db.expand_pool(4096);
  auto folder = db.path() + "-backup";
  if (auto writer = backup_writer::open(db, folder))
    (void)writer->run_once();
  std::filesystem::remove_all(folder);
  std::uint64_t removed = 0;
  (void)db.clear(ns, removed);
}

/// Headers whose checksum is right, and who says something else is not.
void other_headers() {
  specimen it;
  layout::header good{};
  std::memcpy(&good, it.base(), sizeof good);
  std::vector<std::byte> before{it.base(), it.base() + it.bytes()};
  struct forgery {
    const char* what;
    std::function<void(layout::header&)> change;
    errc answer;
  };
  const forgery all[] = {
    {"the other byte order",
     [](auto& h) { h.byte_order_mark = __builtin_bswap32(h.byte_order_mark); },
     errc::corrupt},
    {"an older layout", [](auto& h) { --h.version; }, errc::version},
    {"a newer layout", [](auto& h) { ++h.version; }, errc::version},
    {"smaller pages", [](auto& h) { h.page_shift = 11; }, errc::corrupt},
    {"larger pages", [](auto& h) { h.page_shift = 17; }, errc::corrupt},
    {"other granules", [](auto& h) { h.granule_shift = 3; }, errc::corrupt},
    {"no index", [](auto& h) { h.base_lines = 0; }, errc::corrupt},
    {"an index of sizes that overflow",
     [](auto& h) {
       h.base_lines = ~std::uint32_t{0} & ~(layout::lines_per_group - 1U);
       h.index_levels = layout::max_index_levels;
     },
     errc::corrupt},
    {"a pool larger than its granules can name",
     [](auto& h) { h.reserved_pages = ~std::uint32_t{0}; }, errc::corrupt},
    {"a pool that begins larger than it may grow",
     [](auto& h) { h.initial_pages = h.reserved_pages + 1; }, errc::corrupt},
    {"no thread slots", [](auto& h) { h.thread_count = 0; }, errc::corrupt},
    {"more thread slots than words can name",
     [](auto& h) { h.thread_count = layout::max_thread_slots + 1; },
     errc::corrupt},
    {"another length", [](auto& h) { h.file_bytes += 4096; },
     errc::segment_size},
    {"one more page", [](auto& h) { ++h.reserved_pages; }, errc::segment_size},
  };
  for (const auto& each : all) {
    auto header = good;
    each.change(header);
    header.checksum = header_checksum(header);
    std::memcpy(it.base(), &header, sizeof header);
    for (auto mode : {access_mode::read_write, access_mode::read_only}) {
      auto answer = store::open(it.path(), mode).code();
      expect(answer == each.answer, std::string{each.what} + " is refused: "
                                      + std::string{code_name(answer)});
    }
    expect(std::memcmp(it.base() + sizeof header, before.data() + sizeof header,
                       it.bytes() - sizeof header)
             == 0,
           std::string{each.what} + ": what is refused stays as it is");
  }
  std::memcpy(it.base(), &good, sizeof good);
  auto db = it.attach();
  std::string value;
  expect(db.get(ns, key_of(1), value) == errc::ok && value == value_of(1),
         "with its own header it opens");
}

/// Slots that name granules outside of the pool, at its very end, or in the
/// middle of a block.
void slots_that_name_no_block() {
  for (int kind = 0; kind < 6; ++kind) {
    specimen it;
    auto db = it.attach();
    auto arena = it.arena();
    auto last =
      static_cast<std::uint32_t>(it.bytes() >> it.shape().granule_shift);
    std::uint32_t damaged = 0;
    for (std::uint64_t i = 0; i < arena.lines(0); ++i)
      for (auto& slot : arena.line(0, i).slots) {
        auto raw = slot.load();
        if (!layout::holds_block(raw) || damaged++ % 2 != 0)
          continue;
        const std::uint32_t odd[] = {
          2, last - 1, last, layout::slot_frozen - 1, raw + 1, raw - 1};
        slot.store(odd[kind]);
      }
    std::string value;
    for (int i = 0; i < entries; ++i)
      if (auto answer = db.get(ns, key_of(i), value); answer == errc::ok)
        expect(value == value_of(i), "a wrong slot serves nothing wrong");
    use_everything(db, "slots of kind " + std::to_string(kind));
  }
}

/// What blocks say of their own length, key and state.
void blocks_that_lie() {
  for (int kind = 0; kind < 5; ++kind) {
    specimen it;
    auto db = it.attach();
    auto arena = it.arena();
    for (std::uint64_t i = 0; i < arena.lines(0); ++i)
      for (auto& slot : arena.line(0, i).slots) {
        auto raw = slot.load();
        if (!layout::holds_block(raw))
          continue;
        auto* block = arena.block(layout::granule_of(raw));
        switch (kind) {
          case 0:
            block->value_bytes = ~0U;
            break;
          case 1:
            block->value_bytes += 8;
            break;
          case 2:
            block->kind = ~0U;
            break;
          case 3:
            block->kind += 1; // a key that is one byte longer
            break;
          default:
            block->word.store(layout::next_word(block->word.load(),
                                                layout::block_state::held,
                                                layout::max_thread_slots));
        }
      }
    use_everything(db, "blocks of kind " + std::to_string(kind));
  }
}

/// Lists of threads, each a ring of its first block.
void lists_in_a_ring() {
  specimen it;
  auto db = it.attach();
  specimen::fill(db);
  auto arena = it.arena();
  auto knot = [&](auto& head) {
    if (auto* block = arena.block(head.load()))
      block->link.store(head.load());
  };
  for (unsigned i = 0; i < it.shape().thread_count; ++i) {
    auto& thread = arena.thread(i);
    if (thread.participant_plus_one.load() == 0)
      continue;
    knot(thread.retired_head);
    for (unsigned c = 0; c < it.shape().classes.count(); ++c)
      knot(thread.magazines()[c].head);
  }
  use_everything(db, "rings");
  auto found = db.stats().damage;
  expect(found != 0, "rings are counted as damage");
  use_everything(db, "rings that were given up");
  expect(db.stats().damage == found, "a ring is met once");
}

/// Slots that say they were frozen by a doubling of the index, which there is
/// none of.
void slots_that_look_frozen() {
  specimen it;
  auto db = it.attach();
  auto arena = it.arena();
  for (std::uint64_t i = 0; i < arena.lines(0); ++i)
    for (auto& slot : arena.line(0, i).slots)
      slot.store(slot.load() | layout::slot_frozen);
  std::string value;
  for (int i = 0; i < entries; ++i) {
    bool there = i % 3 != 0;
    auto answer = db.get(ns, key_of(i), value);
    expect(there ? answer == errc::ok && value == value_of(i)
                 : answer == errc::not_found,
           "what stands in a frozen slot is read");
    if (there)
      expect(db.set(ns, key_of(i), "new") == errc::ok
               && db.get(ns, key_of(i), value) == errc::ok && value == "new",
             "what stands in a frozen slot is written");
  }
  expect(db.stats().damage != 0, "frozen slots are counted as damage");
  expect(db.stats().retries == 0, "nobody tries again for a frozen slot");
  expect(db.erase(ns, key_of(1)) == errc::ok, "and removed");
  use_everything(db, "frozen slots");
}

template <class Body>
pid_t start(Body&& body) {
  auto child = ::fork();
  if (child != 0)
    return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  std::_Exit(0);
}

bool ask_for_next_pid(pid_t wanted) {
  int fd = ::open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  auto text = std::to_string(wanted - 1);
  bool asked = fd >= 0
               && ::write(fd, text.data(), text.size())
                    == static_cast<ssize_t>(text.size());
  if (fd >= 0)
    ::close(fd);
  return asked;
}

constexpr int exit_left_out = 77;

/// Process number 1 of a namespace in which numbers are given out again.
void use_a_number_twice(const std::string& path) {
  int ready[2];
  expect(::pipe(ready) == 0, "pipe");
  auto dead = start([&] {
    auto own = store::open(path);
    if (!own || own->set(ns, "of the dead", "x") != errc::ok)
      std::_Exit(1);
    (void)!::write(ready[1], "x", 1);
    for (;;)
      ::pause();
  });
  char byte = 0;
  expect(::read(ready[0], &byte, 1) == 1, "one attaches");
  ::kill(dead, SIGKILL);
  ::waitpid(dead, nullptr, 0);
  if (!ask_for_next_pid(dead))
    std::_Exit(exit_left_out);
  auto other = start([] {
    for (;;)
      ::pause();
  });
  if (other != dead)
    std::_Exit(exit_left_out);
  // Alive is who has the number now; who attached under it is dead.
  expect(::kill(dead, 0) == 0, "the number belongs to a living process");
  auto own = store::open(path);
  expect(bool{own}, "attach beside it");
  expect(own->stats().participants == 1, "the dead one's place is free");
  expect(own->set(ns, "of the dead", "y") == errc::ok, "its entry goes on");
  auto damaged = own->verify();
  expect(damaged && *damaged == 0, "nothing is damaged");
  ::kill(other, SIGKILL);
}

void number_of_another_process() {
  auto path = new_path();
  expect(
    bool{store::create(path, {.segment_bytes = mebibyte, .huge_pages = false})},
    "create");
  auto outer = start([&] {
    if (::unshare(CLONE_NEWPID) != 0)
      std::_Exit(exit_left_out);
    auto init = start([&] { use_a_number_twice(path); });
    int status = 0;
    ::waitpid(init, &status, 0);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  });
  int status = 0;
  ::waitpid(outer, &status, 0);
  ::unlink(path.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == exit_left_out)
    std::printf("numbers of processes: cannot be chosen here, left out\n");
  else
    expect(status == 0, "a number that is in use again deceives nobody");
}

} // namespace

int main() {
  ::alarm(hang_seconds); // a hang is a failure
  other_headers();
  slots_that_name_no_block();
  blocks_that_lie();
  lists_in_a_ring();
  slots_that_look_frozen();
  number_of_another_process();
  std::printf("all is so\n");
  return 0;
}
