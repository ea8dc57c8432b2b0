// Every bit of a segment may be wrong. One is flipped in a copy of a segment, a
// process attaches, reads, writes, scans, recovers and leaves; then the next
// one. It may be refused, or find less than there was; it may not crash, leave
// its mapping, take for ever, or serve bytes as good that nobody stored.
//
// bit_flips [--flips N] [--seconds N] [--seed N]; exit 0 good, 1 not.
#include "tests/memory/crash_table.hpp"
#include "tests/memory/stepper.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

using steady = std::chrono::steady_clock;

constexpr auto ns = namespace_id::default_namespace;
constexpr auto hang_limit = std::chrono::seconds{60};
constexpr int exit_wrong = 3;

/// Shared by who flips and who watches.
struct progress {
  std::atomic<std::uint64_t> flips{0};
  std::atomic<std::uint64_t> bit{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> damaged{0}; ///< reads that were refused
  std::atomic<const char*> doing{"nothing"};
};

/// What is stored, by key, and a segment that holds it, as a process left it
/// that died in the middle of an operation.
struct specimen {
  std::map<key_id, content> present;
  std::vector<std::byte> bytes;
  geometry shape;
};

specimen make_specimen(std::mt19937_64& random) {
  world w;
  auto operations = all_operations();
  auto& what = operations[random() % operations.size()];
  what.prepare(w);
  auto neighbourhoods = all_neighbourhoods();
  constexpr std::size_t cheap_ones = 4;
  neighbourhoods[random() % cheap_ones].prepare(w);
  if (what.ready)
    what.ready(w);
  specimen result{{}, {}, w.shape()};
  auto* base = w.base(0);
  auto take = [&] {
    result.present = w.present;
    result.bytes.assign(base, base + w.shape().file_bytes);
  };
  take();
  if (!stepper::available())
    return result;
  constexpr unsigned many = 40;
  auto at = random() % many;
  std::uint64_t changes = 0;
  stepper steps{base, w.shape().file_bytes, [&](const stepper::change&) {
                  if (changes++ == at)
                    take();
                }};
  steps.run([&] { (void)what.run(w.victim()); });
  // Where the operation may or may not have taken effect, both will do.
  for (auto& [key, value] : result.present)
    if (what.change(key, value) != value)
      value = "?";
  return result;
}

/// A bit of what is in use, mostly of what is not content.
std::uint64_t choose_bit(const geometry& shape, std::mt19937_64& random) {
  auto in = [&](std::uint64_t begin, std::uint64_t end) {
    return 8 * begin + random() % (8 * (end - begin));
  };
  switch (random() % 8) {
    case 0:
      return in(0, layout::namespaces_offset + 1024);
    case 1:
      return in(shape.participants_offset,
                shape.threads_offset + 3 * shape.thread_slot_bytes);
    case 2:
    case 3:
      return in(shape.index_offset, shape.table_offset(1));
    case 4:
      return in(shape.directory_offset, shape.directory_offset + 1024);
    case 5:
    case 6: {
      constexpr std::uint64_t pages = 24; // those first carved
      return in(shape.pool_offset,
                shape.pool_offset + pages * shape.page_bytes);
    }
    default: {
      // Anywhere in the first mebibyte that is in use.
      constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
      auto bit = random() % (8 * mebibyte);
      auto prefix = 8 * shape.table_offset(1);
      return bit < prefix ? bit : bit - prefix + 8 * shape.directory_offset;
    }
  }
}

class worker {
public:
  worker(const std::string& path, const specimen& what, progress& now,
         std::uint64_t seed)
    : what_{what}, now_{now}, random_{seed}, path_{path}, image_{what.shape,
                                                                 path} {
  }

  void restore(bool whole) {
    if (whole)
      std::memcpy(image_.base(), what_.bytes.data(), what_.bytes.size());
    else
      image_.take(what_.bytes.data());
  }

  void one() {
    auto bit = choose_bit(what_.shape, random_);
    now_.bit = bit;
    image_.base()[bit / 8] ^= std::byte{1} << (bit % 8);
    now_.doing = "open";
    if (auto db = store::open(path_)) {
      use(*db);
      now_.doing = "close";
    } else {
      ++now_.refused;
    }
    ++now_.flips;
  }

private:
  void use(store& db) {
    now_.doing = "get";
    std::string value;
    for (auto& [key, expected] : what_.present) {
      auto answer = db.get(namespace_id{key.ns}, key.name, value);
      judge(answer, key, value, expected);
    }
    now_.doing = "view";
    value_view view;
    if (db.view(ns, "target", view) == errc::ok && !view.bytes().empty())
      value.assign(view.bytes());
    view.release();
    now_.doing = "scan";
    for (scan_cursor cursor; !cursor.done();)
      if (db.scan(ns, cursor, 1000,
                  [&](const scan_entry& entry) {
                    auto key = key_id{0, std::string{entry.key}};
                    if (auto known = what_.present.find(key);
                        known == what_.present.end())
                      wrong("shows a key that nobody stored");
                    else
                      judge(errc::ok, key, std::string{entry.value},
                            known->second);
                  })
          != errc::ok)
        break;
    now_.doing = "write";
    for (std::string_view key : {"target", "kept1", "fresh"}) {
      auto stored = db.set(ns, key, "new value of this key") == errc::ok;
      auto answer = db.get(ns, key, value);
      if (stored && answer == errc::ok && value != "new value of this key")
        wrong("a write reads as another");
    }
    std::int64_t sum = 0;
    std::size_t length = 0;
    (void)db.append(ns, "kept2", "more", length);
    (void)db.increment(ns, "counter", 1, sum);
    (void)db.erase(ns, "kept3");
    now_.doing = "recover";
    (void)db.recover();
    constexpr unsigned seldom = 32;
    if (now_.flips % seldom != 0)
      return;
    now_.doing = "stats";
    (void)db.stats();
    now_.doing = "verify";
    (void)db.verify();
    now_.doing = "namespaces";
    (void)db.open_namespace("new");
    (void)db.drop_namespace("new");
    now_.doing = "grow";
    (void)db.grow_index();
    (void)db.expand_pool(what_.shape.page_bytes);
    (void)db.set(ns, "fresh", "again");
    now_.doing = "sweep";
    scan_cursor cursor;
    (void)db.sweep_expired(ns, cursor, 1000, length);
    now_.doing = "clear";
    std::uint64_t removed = 0;
    (void)db.clear(ns, removed);
  }

  void judge(errc answer, const key_id& key, const std::string& value,
             const content& expected) {
    if (answer != errc::ok) {
      if (expected)
        ++now_.damaged;
      return;
    }
    // Nothing there, so expired: a flip cannot bring it back either.
    if (expected != "?" && value != expected.value_or("(nothing)"))
      wrong("reads wrong bytes of " + key.name);
  }

  [[noreturn]] void wrong(const std::string& what) {
    std::printf("bit %llu: %s\n",
                static_cast<unsigned long long>(now_.bit.load()), what.c_str());
    std::fflush(stdout);
    ::_exit(exit_wrong);
  }

  const specimen& what_;
  progress& now_;
  std::mt19937_64 random_;
  std::string path_;
  segment_image image_;
};

/// Waits for the child; answers what is wrong, or nothing.
std::string watch(pid_t child, const progress& now) {
  auto seen = now.flips.load();
  auto since = steady::now();
  for (;;) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? ""
               : "ended with status " + std::to_string(status);
    if (auto flips = now.flips.load(); flips != seen) {
      seen = flips;
      since = steady::now();
    } else if (steady::now() > since + hang_limit) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return "hangs";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

} // namespace

int main(int argc, char** argv) {
  std::uint64_t flips = 2'000;
  std::uint64_t seed = 1;
  int seconds = 600;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--flips")
      flips = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--seconds")
      seconds = std::atoi(argv[i + 1]);
    else if (name == "--seed")
      seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  auto* now = new (::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) progress;
  auto path = "/dev/shm/neuroplex-flips-" + std::to_string(::getpid());
  auto end = steady::now() + std::chrono::seconds{seconds};
  int bad = 0;
  constexpr std::uint64_t flips_a_specimen = 1000;
  for (; now->flips < flips && steady::now() < end; ++seed) {
    std::fflush(stdout);
    auto child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::mt19937_64 random{seed};
      auto what = make_specimen(random);
      worker works{path, what, *now, seed};
      constexpr std::uint64_t restore_whole_every = 64;
      for (std::uint64_t i = 0; i < flips_a_specimen; ++i) {
        works.restore(i % restore_whole_every == 0);
        works.one();
      }
      // What a flip made of the copy's statistics is of no interest.
      ::unlink(path.c_str());
      ::_exit(0);
    }
    if (auto what = watch(child, *now); !what.empty()) {
      ++bad;
      ++now->flips;
      std::printf("seed %llu, bit %llu, in %s: %s\n",
                  static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(now->bit.load()),
                  now->doing.load(), what.c_str());
      ::unlink(path.c_str());
    }
  }
  auto count = now->flips.load();
  std::printf("%llu flips, %llu segments refused, %llu reads refused, %d bad\n",
              static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(now->refused.load()),
              static_cast<unsigned long long>(now->damaged.load()), bad);
  if (count < flips)
    std::printf("too few flips\n");
  return bad == 0 && count >= flips ? 0 : 1;
}
