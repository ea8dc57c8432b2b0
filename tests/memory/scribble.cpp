// A process that writes random words all over a segment, while another works
// on it. The worker may be refused, may read damage as `corrupt`, may find the
// segment full; it may not crash, and no operation may take for ever.
//
// scribble [--seconds N] [--seed N]; exit 0 good, 1 not.
#include "memory/store.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
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
constexpr auto hang_limit = std::chrono::seconds{20};

/// What the worker is doing, for who watches it.
struct progress {
  std::atomic<std::uint64_t> operations{0};
  std::atomic<unsigned> kind{0};
};

constexpr const char* kind_names[] = {
  "get",    "set",   "erase",      "increment", "append",
  "view",   "scan",  "get_many",   "set_many",  "expire",
  "sweep",  "clear", "grow_index", "recover",   "verify",
  "expand", "stats", "namespace",  "take",      "open"};
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

void one_operation(store& db, unsigned kind, std::mt19937_64& random) {
  auto key = "key" + std::to_string(random() % 500);
  auto value =
    std::string(random() % 4 == 0 ? random() % 30'000 : random() % 200, 'v');
  std::string text;
  scan_cursor cursor{random() & 0xFFFFFFFFU};
  switch (kind) {
    case 0:
      (void)db.get(ns, key, text);
      break;
    case 1:
      (void)db.set(ns, key, value);
      break;
    case 2:
      (void)db.erase(ns, key);
      break;
    case 3: {
      std::int64_t sum = 0;
      (void)db.increment(ns, key, 1, sum);
      break;
    }
    case 4: {
      std::size_t length = 0;
      (void)db.append(ns, key, "suffix", length);
      break;
    }
    case 5: {
      value_view view;
      if (db.view(ns, key, view) == errc::ok && !view.bytes().empty())
        text.assign(view.bytes().substr(view.bytes().size() - 1));
      break;
    }
    case 6:
      (void)db.scan(ns, cursor, 20,
                    [&](const scan_entry& entry) { text.assign(entry.value); });
      break;
    case 7: {
      std::array<get_request, 4> gets{{{key, {}}, {"a", {}}, {"b", {}}}};
      (void)db.get_many(ns, gets);
      break;
    }
    case 8: {
      std::array<set_request, 3> sets{{{key, value}, {"a", "1"}, {"b", "2"}}};
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
    default:
      (void)db.take(ns, key, text);
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
  }
  std::printf("%zu rounds, %llu operations on scribbled segments, %d bad\n",
              rounds, static_cast<unsigned long long>(now->operations.load()),
              bad);
  return bad == 0 ? 0 : 1;
}
