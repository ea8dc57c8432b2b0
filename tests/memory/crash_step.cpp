// Every instruction of an operation as the one at which its process dies.
//
// A child does one operation on a segment while it is single-stepped. Whenever
// the segment has changed, its bytes are what a kill at this instruction leaves
// behind: they are copied, a survivor attaches to the copy and recovers it, and
// must find every acknowledged entry, the entry in question old or new, and all
// memory.
//
// crash_step [--seconds N] [--only SCENARIO]; exit 0 good, 1 not.
#include "memory/store.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

constexpr auto ns = namespace_id::default_namespace;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
constexpr int acknowledged_entries = 20;

/// The value of a key, or nothing.
using content = std::optional<std::string>;

struct scenario {
  std::string name;
  std::function<void(store&)> prepare;
  std::function<void(store&)> operation;
  content before;              ///< of the key "target"
  content after;               ///< the same, once the operation is done
  std::size_t check_every = 1; ///< of the states met
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "crash_step: %s\n", what.c_str());
  std::exit(1);
}

std::string letters(std::size_t size, char letter) {
  return std::string(size, letter);
}

void must(errc answer) {
  if (answer != errc::ok)
    ::_exit(2);
}

/// A file mapped whole, for reading or writing.
class mapped_file {
public:
  mapped_file(const std::string& path, bool writable) {
    int fd = ::open(path.c_str(), writable ? O_RDWR : O_RDONLY);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0)
      die("cannot open " + path);
    size_ = static_cast<std::size_t>(info.st_size);
    bytes_ = static_cast<char*>(
      ::mmap(nullptr, size_, writable ? PROT_READ | PROT_WRITE : PROT_READ,
             MAP_SHARED, fd, 0));
    ::close(fd);
    if (bytes_ == MAP_FAILED)
      die("cannot map " + path);
  }

  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;

  ~mapped_file() {
    ::munmap(bytes_, size_);
  }

  [[nodiscard]] char* bytes() const {
    return bytes_;
  }

  [[nodiscard]] std::size_t size() const {
    return size_;
  }

private:
  char* bytes_;
  std::size_t size_;
};

/// Entries of a size whose spans are single pages, so that how the free pages
/// lie does not matter.
std::size_t capacity(store& db) {
  const auto value = letters(200, 'f');
  std::size_t count = 0;
  while (db.set(ns, "fill" + std::to_string(count), value) == errc::ok)
    ++count;
  std::uint64_t removed = 0;
  (void)db.clear(ns, removed);
  return count;
}

/// One scenario being stepped through.
class experiment {
public:
  experiment(const scenario& what, std::string path)
    : what_{what}, path_{std::move(path)}, copy_path_{path_ + "-copy"} {
  }

  experiment(const experiment&) = delete;
  experiment& operator=(const experiment&) = delete;

  ~experiment() {
    ::unlink(path_.c_str());
    ::unlink(copy_path_.c_str());
  }

  /// Steps until the operation is done or `deadline` has passed; answers the
  /// number of bad states.
  std::size_t run(std::chrono::steady_clock::time_point deadline) {
    auto child = start();
    mapped_file segment{path_, false};
    last_.assign(segment.bytes(), segment.size());
    room_ = check_copy(true);
    std::size_t steps = 0;
    int status = 0;
    bool finished = false;
    while (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) == 0) {
      if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        break;
      if (WSTOPSIG(status) == SIGUSR1) {
        finished = true;
        break;
      }
      ++steps;
      if (steps % 1024 == 0 && std::chrono::steady_clock::now() >= deadline)
        break;
      if (std::memcmp(last_.data(), segment.bytes(), segment.size()) == 0)
        continue;
      std::memcpy(last_.data(), segment.bytes(), segment.size());
      if (++states_ % what_.check_every == 0) {
        step_ = steps;
        (void)check_copy(false);
      }
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    std::printf("%-34s %7zu instructions, %5zu states, %zu bad%s\n",
                what_.name.c_str(), steps, states_, bad_,
                finished ? "" : " (out of time)");
    std::fflush(stdout);
    return bad_;
  }

private:
  pid_t start() {
    auto child = ::fork();
    if (child == 0)
      in_child();
    int status = 0;
    if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
      die(what_.name + ": the child did not get ready");
    return child;
  }

  [[noreturn]] void in_child() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto db = store::create(
      path_,
      {.segment_bytes = mebibyte, .bucket_count = 64, .huge_pages = false});
    if (!db)
      die(db.error().to_string());
    for (int i = 0; i < acknowledged_entries; ++i)
      must(db->set(ns, "kept" + std::to_string(i),
                   letters(static_cast<std::size_t>(i) * 40, 'k')));
    if (what_.before)
      must(db->set(ns, "target", *what_.before));
    what_.prepare(*db);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    what_.operation(*db);
    ::raise(SIGUSR1);
    ::_exit(0);
  }

  void report(const std::string& what) {
    constexpr std::size_t shown = 5;
    if (++bad_ <= shown)
      std::printf("  %s, instruction %zu, state %zu: %s\n", what_.name.c_str(),
                  step_, states_, what.c_str());
  }

  /// Recovers a copy of the last state and looks at everything in it.
  std::size_t check_copy(bool first) {
    ::unlink(copy_path_.c_str());
    int fd = ::open(copy_path_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0
        || ::write(fd, last_.data(), last_.size())
             != static_cast<ssize_t>(last_.size()))
      die("cannot copy the segment");
    ::close(fd);
    auto db = store::open(copy_path_);
    if (!db) {
      report("open: " + db.error().to_string());
      return 0;
    }
    if (auto recovered = db->recover(); !recovered)
      report("recover: " + recovered.error().to_string());
    auto damaged = db->verify();
    if (!damaged || *damaged != 0)
      report("verify finds damage");
    auto stats = db->stats();
    if (stats.participants != 1 || stats.threads != 1)
      report(std::to_string(stats.participants) + " participants, "
             + std::to_string(stats.threads) + " threads");
    check_entries(*db);
    std::uint64_t removed = 0;
    if (db->clear(ns, removed) != errc::ok)
      report("clear fails");
    auto room = capacity(*db);
    // A page that is lost takes the room of seventeen.
    constexpr std::size_t tolerance = 8;
    if (!first && room + tolerance < room_)
      report("room for " + std::to_string(room) + " values, not "
             + std::to_string(room_));
    return room;
  }

  void check_entries(store& db) {
    std::string value;
    for (int i = 0; i < acknowledged_entries; ++i) {
      auto key = "kept" + std::to_string(i);
      if (db.get(ns, key, value) != errc::ok
          || value != letters(static_cast<std::size_t>(i) * 40, 'k'))
        report("an acknowledged entry is lost: " + key);
    }
    auto answer = db.get(ns, "target", value);
    auto now = answer == errc::ok ? content{value} : content{};
    if ((answer != errc::ok && answer != errc::not_found)
        || (now != what_.before && now != what_.after))
      report("the target is neither old nor new");
    std::map<std::string, int> seen;
    for (scan_cursor cursor; !cursor.done();)
      (void)db.scan(ns, cursor, 1000, [&](const scan_entry& entry) {
        ++seen[std::string{entry.key}];
      });
    std::uint64_t shown = 0;
    for (auto& [key, times] : seen) {
      ++shown;
      if (times != 1)
        report("twice there: " + key);
    }
    // A death between a change and its count leaves the count off by one; the
    // store says so.
    if (auto entries = db.stats().entries;
        entries > shown + 1 || entries + 1 < shown)
      report("stats tell of " + std::to_string(entries) + " entries, "
             + std::to_string(shown) + " are there");
    // It can be written again.
    if (db.set(ns, "target", "again") != errc::ok
        || db.get(ns, "target", value) != errc::ok || value != "again")
      report("the target cannot be written");
  }

  const scenario& what_;
  std::string path_;
  std::string copy_path_;
  std::string last_;
  std::size_t room_ = 0;
  std::size_t states_ = 0;
  std::size_t step_ = 0;
  std::size_t bad_ = 0;
};

std::vector<scenario> all_scenarios() {
  auto nothing = [](store&) {};
  auto set = [](std::string value) {
    return [value = std::move(value)](store& db) {
      must(db.set(ns, "target", value));
    };
  };
  auto erase = [](store& db) { must(db.erase(ns, "target")); };
  auto small = letters(100, 's');
  auto other = letters(100, 'o');
  auto large = letters(40'000, 'l');
  std::vector<scenario> all;
  all.push_back({"insert", nothing, set(small), {}, small});
  all.push_back({"overwrite", nothing, set(other), small, other});
  all.push_back({"overwrite, another size", nothing, set(letters(700, 'b')),
                 small, letters(700, 'b')});
  all.push_back({"erase", nothing, erase, small, {}});
  all.push_back({"insert large", nothing, set(large), {}, large, 50});
  all.push_back({"overwrite large", nothing, set(letters(30'000, 'm')), large,
                 letters(30'000, 'm'), 50});
  all.push_back({"large to small", nothing, set(small), large, small});
  all.push_back({"erase large", nothing, erase, large, {}});
  // The retired list is full after so many: this one reuses it.
  auto overwrite_63 = [](store& db) {
    for (int i = 0; i < 63; ++i)
      must(db.set(ns, "kept1", letters(40, 'k')));
  };
  all.push_back(
    {"overwrite, reusing memory", overwrite_63, set(other), small, other});
  all.push_back({"increment", nothing,
                 [](store& db) {
                   std::int64_t sum = 0;
                   must(db.increment(ns, "target", 1, sum));
                 },
                 "41", "42"});
  all.push_back({"append", nothing,
                 [](store& db) {
                   std::size_t length = 0;
                   must(db.append(ns, "target", "def", length));
                 },
                 "abc", "abcdef"});
  all.push_back(
    {"detach", nothing, [](store& db) { db.close(); }, small, small, 4});
  all.push_back({"insert while the index doubles",
                 [](store& db) { (void)db.grow_index(); },
                 set(small),
                 {},
                 small,
                 50});
  return all;
}

} // namespace

int main(int argc, char** argv) {
  int seconds = 60;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--seconds")
      seconds = std::atoi(argv[i + 1]);
    else if (name == "--only")
      only = argv[i + 1];
    else
      die("unknown option " + name);
  }
  ::alarm(static_cast<unsigned>(seconds) + 120); // a hang is a failure
  auto deadline =
    std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
  auto path = "/dev/shm/neuroplex-step-" + std::to_string(::getpid());
  std::size_t bad = 0;
  for (const auto& each : all_scenarios())
    if (only.empty() || each.name == only)
      bad += experiment{each, path}.run(deadline);
  return bad == 0 ? 0 : 1;
}
