// A process that writes random words all over a segment, while another works
// on it. The worker may be refused, may read damage as `corrupt`, may find the
// segment full; it may not crash, no operation may take for ever, and no copy
// of a value that it is given may be another than somebody stored under that
// key.
//
// scribble [--seconds N] [--seed N]; exit 0 good, 1 not.
#include "memory/backup.hpp"
#include "memory/raw_blocks.hpp"
#include "memory/store.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

using steady = std::chrono::steady_clock;

constexpr auto ns = namespace_id::default_namespace;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
constexpr auto round_time = std::chrono::milliseconds{700};
// On a busy machine each of the thousands of times that an operation gives way
// to others takes a slice of theirs.
constexpr auto hang_limit = std::chrono::seconds{120};

/// What the worker is doing, for who watches it.
struct progress {
  std::atomic<std::uint64_t> operations{0};
  std::atomic<unsigned> kind{0};
};

constexpr const char* kind_names[] = {
  "get",        "set",      "erase",    "increment",  "append",   "view",
  "scan",       "get_many", "set_many", "expire",     "sweep",    "clear",
  "grow_index", "recover",  "verify",   "expand",     "stats",    "namespace",
  "take",       "compact",  "compact",  "defragment", "optimize", "relieve",
  "relieve",    "settings", "pin",      "unpin",      "exchange", "raw blocks",
  "backup",     "open"};
constexpr unsigned kind_count = std::size(kind_names);
constexpr unsigned kind_open = kind_count - 1;

[[noreturn]] void scribble(const std::string& path, std::uint64_t seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0)
    ::_exit(2);
  auto size = static_cast<std::size_t>(info.st_size);
  auto* words = static_cast<std::atomic<std::uint32_t>*>(
    ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  if (words == MAP_FAILED)
    ::_exit(2);
  std::mt19937_64 random{seed};
  // Records and index lie in front, so half of the words go there. Some words
  // are wild, some are what might stand there: flipped bits, copies, zeros.
  constexpr std::size_t front = 256U << 10;
  auto pause = 1U << random() % 12;
  for (;;) {
    auto reach = random() % 2 == 0 ? std::min(front, size) : size;
    auto& word = words[random() % (reach / sizeof(std::uint32_t))];
    switch (random() % 5) {
      case 0:
        word = static_cast<std::uint32_t>(random());
        break;
      case 1:
        word ^= 1U << random() % 32;
        break;
      case 2:
        word = words[random() % (size / sizeof(std::uint32_t))].load();
        break;
      case 3:
        word = static_cast<std::uint32_t>(random() % 70'000);
        break;
      default:
        word = random() % 2 == 0 ? 0U : ~0U;
    }
    for (unsigned i = 0; i < pause; ++i)
      (void)words[0].load();
  }
}

constexpr std::string_view suffix = "suffix";

/// Says which key it belongs to, and its length by its letter.
std::string value_for(const std::string& key, std::size_t length) {
  return key + '|' + std::string(length, static_cast<char>('a' + length % 26))
         + '|';
}

/// Whether the value is one that somebody may have stored under the key.
bool belongs(std::string_view key, std::string_view value) {
  if (key.starts_with("sum"))
    return value.find_first_not_of("-0123456789") == std::string_view::npos;
  while (value.ends_with(suffix))
    value.remove_suffix(suffix.size());
  if (value.empty())
    return true;
  auto around = key.size() + 2;
  return value.size() >= around
         && value == value_for(std::string{key}, value.size() - around);
}

void expect_belongs(std::string_view key, std::string_view value) {
  if (belongs(key, value))
    return;
  std::printf("%.*s holds %zu bytes that nobody stored there\n",
              static_cast<int>(key.size()), key.data(), value.size());
  std::fflush(stdout);
  ::_exit(3);
}

/// Writes a generation, and looks at what a restore makes of it.
void back_up(store& db) {
  auto folder = db.path() + "-backup";
  auto writer = backup_writer::open(db, folder);
  if (!writer || !writer->run_once())
    return;
  auto restored = db.path() + "-restored";
  if (!restore_backup(folder, restored, {.policy = repair_policy::repair}))
    return;
  auto copy = store::open(restored);
  scan_cursor cursor;
  while (copy && !cursor.done())
    if (copy->scan(ns, cursor, 1'000,
                   [](const scan_entry& entry) {
                     expect_belongs(entry.key, entry.value);
                   })
        != errc::ok)
      break;
  (void)store::remove(restored);
}

void change_settings(store& db, std::mt19937_64& random) {
  constexpr policy_kind policies[] = {
    policy_kind::noeviction, policy_kind::clock, policy_kind::fifo,
    policy_kind::lru,        policy_kind::lfu,   policy_kind::s3fifo,
    policy_kind::adaptive};
  (void)db.configure(ns, {.policy = policies[random() % std::size(policies)],
                          .quota_bytes = random() % 2 * mebibyte / 4,
                          .compression = random() % 2 == 0
                                           ? compression_mode::off
                                           : compression_mode::adaptive});
  (void)db.set_eviction_percent(1 + random() % 100);
}

void use_raw_blocks(store& db, std::mt19937_64& random) {
  auto blocks = raw_blocks::make(db);
  raw_block block;
  std::span<std::byte> memory;
  for (int i = 0; blocks && i < 4; ++i)
    if (blocks->allocate(1 + random() % 20'000, block) == errc::ok
        && map_raw_block(db, block, memory) == errc::ok)
      std::fill(memory.begin(), memory.end(), std::byte{0x5A});
  if (blocks)
    (void)blocks->deallocate(block);
}

void one_operation(store& db, unsigned kind, std::mt19937_64& random) {
  auto key = "key" + std::to_string(random() % 500);
  auto value =
    value_for(key, random() % 4 == 0 ? random() % 30'000 : random() % 200);
  std::string text;
  scan_cursor cursor{random() & 0xFFFFFFFFU};
  switch (kind) {
    case 0:
      if (db.get(ns, key, text) == errc::ok)
        expect_belongs(key, text);
      break;
    case 1:
      (void)db.set(ns, key, value);
      break;
    case 2:
      (void)db.erase(ns, key);
      break;
    case 3: {
      std::int64_t sum = 0;
      key = "sum" + std::to_string(random() % 50);
      (void)db.increment(ns, key, 1, sum);
      if (db.get(ns, key, text) == errc::ok)
        expect_belongs(key, text);
      break;
    }
    case 4: {
      std::size_t length = 0;
      (void)db.append(ns, key, suffix, length);
      break;
    }
    case 5: {
      value_view view;
      if (db.view(ns, key, view) == errc::ok && !view.bytes().empty())
        text.assign(view.bytes().substr(view.bytes().size() - 1));
      break;
    }
    case 6:
      (void)db.scan(ns, cursor, 20, [&](const scan_entry& entry) {
        expect_belongs(entry.key, entry.value);
      });
      break;
    case 7: {
      std::array<get_request, 3> gets{{{key, {}}, {"a", {}}, {"b", {}}}};
      (void)db.get_many(ns, gets);
      for (auto& each : gets)
        if (each.status == errc::ok)
          expect_belongs(each.key, each.value);
      break;
    }
    case 8: {
      auto a = value_for("a", random() % 100);
      auto b = value_for("b", random() % 2'000);
      std::array<set_request, 3> sets{{{key, value}, {"a", a}, {"b", b}}};
      (void)db.set_many(ns, sets);
      break;
    }
    case 9:
      (void)db.expire(ns, key, 1 + static_cast<int>(random() % 5));
      break;
    case 10: {
      std::size_t removed = 0;
      (void)db.sweep_expired(ns, cursor, 20, removed);
      break;
    }
    case 11: {
      std::uint64_t removed = 0;
      (void)db.clear(ns, removed);
      break;
    }
    case 12:
      (void)db.grow_index();
      break;
    case 13:
      (void)db.recover();
      break;
    case 14:
      (void)db.verify();
      break;
    case 15:
      (void)db.expand_pool(4096);
      break;
    case 16:
      (void)db.stats();
      break;
    case 17:
      (void)db.open_namespace(key);
      (void)db.drop_namespace(key);
      break;
    case 18:
      if (db.take(ns, key, text) == errc::ok)
        expect_belongs(key, text);
      break;
    case 19:
    case 20:
      (void)db.compact(1 + random() % 20'000);
      break;
    case 21:
      (void)db.defragment();
      break;
    case 22:
      (void)db.optimize();
      break;
    case 23:
    case 24: {
      std::size_t evicted = 0;
      (void)db.relieve_pressure(1 + random() % 100, evicted);
      break;
    }
    case 25:
      change_settings(db, random);
      break;
    case 26:
      (void)db.pin(ns, key);
      break;
    case 27:
      (void)db.unpin(ns, key);
      break;
    case 28: {
      bool had = false;
      if (db.exchange(ns, key, value, text, had) == errc::ok && had)
        expect_belongs(key, text);
      break;
    }
    case 29:
      use_raw_blocks(db, random);
      break;
    default:
      back_up(db);
  }
}

[[noreturn]] void work(const std::string& path, progress& now,
                       std::uint64_t seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto end = steady::now() + round_time;
  std::mt19937_64 random{seed};
  while (steady::now() < end) {
    now.kind = kind_open;
    auto db = store::open(path);
    ++now.operations;
    if (!db) {
      std::this_thread::yield();
      continue;
    }
    // Attached anew now and then, to what the segment has become.
    for (int i = 0; i < 2000 && steady::now() < end; ++i) {
      auto choice = static_cast<unsigned>(random() % 100);
      auto kind = choice < kind_open && (choice < 11 || random() % 4 == 0)
                    ? choice
                    : choice % 3;
      now.kind = kind;
      one_operation(*db, kind, random);
      ++now.operations;
    }
  }
  ::_exit(0);
}

/// Waits for the worker; answers what is wrong, or nothing.
std::string watch(pid_t worker, progress& now) {
  auto seen = now.operations.load();
  auto since = steady::now();
  for (;;) {
    int status = 0;
    if (::waitpid(worker, &status, WNOHANG) == worker) {
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
      return "the worker ended with status " + std::to_string(status);
    }
    if (now.operations != seen) {
      seen = now.operations;
      since = steady::now();
    } else if (steady::now() > since + hang_limit) {
      ::kill(worker, SIGABRT);
      ::waitpid(worker, &status, 0);
      return "the worker hangs";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
}

} // namespace

int main(int argc, char** argv) {
  int seconds = 10;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--seconds")
      seconds = std::atoi(argv[i + 1]);
    else if (name == "--seed")
      seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  auto* now = new (::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) progress;
  auto path = "/dev/shm/neuroplex-scribble-" + std::to_string(::getpid());
  auto end = steady::now() + std::chrono::seconds{seconds};
  int bad = 0;
  std::size_t rounds = 0;
  for (; steady::now() < end; ++seed, ++rounds) {
    {
      auto made = store::create(path, {.segment_bytes = mebibyte,
                                       .reserved_bytes = 4 * mebibyte,
                                       .bucket_count = 64,
                                       .huge_pages = false});
      if (!made) {
        std::fprintf(stderr, "scribble: %s\n",
                     made.error().to_string().c_str());
        return 1;
      }
    }
    auto scribbler = ::fork();
    if (scribbler == 0)
      scribble(path, seed);
    auto worker = ::fork();
    if (worker == 0)
      work(path, *now, seed);
    if (auto wrong = watch(worker, *now); !wrong.empty()) {
      ++bad;
      std::printf("seed %llu: %s in %s\n",
                  static_cast<unsigned long long>(seed), wrong.c_str(),
                  kind_names[now->kind]);
      std::fflush(stdout);
    }
    ::kill(scribbler, SIGKILL);
    ::waitpid(scribbler, nullptr, 0);
    (void)store::remove(path);
    (void)store::remove(path + "-restored");
    std::filesystem::remove_all(path + "-backup");
  }
  std::printf("%zu rounds, %llu operations on scribbled segments, %d bad\n",
              rounds, static_cast<unsigned long long>(now->operations.load()),
              bad);
  return bad == 0 ? 0 : 1;
}
