// Clients of one segment are killed, stopped and started again while they work
// on a few keys. What each saw goes into a history (hist-v1, JSON lines) that a
// checker then proves linearizable, or not. Afterwards a survivor must find all
// memory again that the dead had in their hands.
//
// kill_histories [--seconds N] [--kills N] [--clients N] [--seed N]
//                [--kill-every-us N] [--checker PROGRAM] [--keep DIRECTORY]
// Goes on for N seconds; with --kills, until so many have died, for at most
// that time.
// Exit: 0 good, 1 not, 77 good but no checker was given.
#include "memory/store.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

struct settings {
  int seconds = 15;
  std::size_t kills = 0;
  int clients = 4;
  int kill_every_us = 4000;
  std::uint64_t seed = 1;
  std::string checker;
  std::string keep;
};

constexpr auto ns = namespace_id::default_namespace;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
constexpr int keys_at_a_time = 4;
constexpr std::int64_t keys_change_after_ns = 250'000'000;
constexpr int exit_wrong_value = 3;
constexpr int exit_skipped = 77;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "kill_histories: %s\n", what.c_str());
  std::exit(1);
}

segment_options geometry_options() {
  return {.segment_bytes = 8 * mebibyte,
          .reserved_bytes = 16 * mebibyte,
          .bucket_count = 64,
          .huge_pages = false};
}

/// A process' file of operations. Each operation is written before it begins,
/// with its outcome unknown, and again after it.
class history {
public:
  history(const std::string& directory, int process)
    : process_{process},
      fd_{
        ::open((directory + "/p" + std::to_string(process) + ".jsonl").c_str(),
               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)} {
    if (fd_ < 0)
      fail("cannot write a history");
  }

  history(const history&) = delete;
  history& operator=(const history&) = delete;

  ~history() {
    ::close(fd_);
  }

  void begin(std::string operation) {
    operation_ = std::move(operation);
    ++id_;
    call_ns_ = now_ns();
    line("", "null", "unknown");
  }

  void end(const std::string& more, const char* result) {
    line(more, std::to_string(now_ns()), result);
  }

private:
  void line(const std::string& more, const std::string& returned,
            const char* result) {
    auto text = "{\"process\":" + std::to_string(process_)
                + ",\"id\":" + std::to_string(id_) + "," + operation_ + more
                + ",\"call_ns\":" + std::to_string(call_ns_) + ",\"return_ns\":"
                + returned + ",\"result\":\"" + result + "\"}\n";
    if (::write(fd_, text.data(), text.size())
        != static_cast<ssize_t>(text.size()))
      fail("cannot write a history");
  }

  int process_;
  int fd_;
  int id_ = 0;
  std::int64_t call_ns_ = 0;
  std::string operation_;
};

std::string json_text(const std::string& text) {
  return "\"" + text + "\"";
}

/// One client: recorded operations on shared keys, and between them others on
/// many keys, which stir the pool and grow the index.
class client {
public:
  client(store& db, const std::string& directory, int process,
         std::int64_t begin_ns)
    : db_{db}, log_{directory, process}, process_{process}, begin_ns_{begin_ns},
      random_{static_cast<std::uint64_t>(process)} {
  }

  [[noreturn]] void work() {
    for (;;) {
      recorded();
      for (int i = 0; i < 16; ++i)
        stir();
    }
  }

private:
  std::uint64_t pick(std::uint64_t bound) {
    return random_() % bound;
  }

  void recorded() {
    auto era = (now_ns() - begin_ns_) / keys_change_after_ns;
    auto key =
      "k" + std::to_string(era) + "-" + std::to_string(pick(keys_at_a_time));
    auto value = "v" + std::to_string(process_) + "-"
                 + std::to_string(++sequence_)
                 + std::string(pick(4) == 0 ? pick(300) : 0, 'x');
    auto named = "\"key\":" + json_text(key);
    auto& last = seen_[key];
    switch (pick(6)) {
      case 0:
      case 1: {
        log_.begin("\"op\":\"get\"," + named);
        std::string read;
        auto answer = db_.get(ns, key, read);
        expect(answer, {errc::ok, errc::not_found});
        last = answer == errc::ok ? read : "";
        log_.end(",\"value\":"
                   + (answer == errc::ok ? json_text(read) : "null"),
                 "ok");
        break;
      }
      case 2:
        log_.begin("\"op\":\"put\"," + named
                   + ",\"value\":" + json_text(value));
        expect(db_.set(ns, key, value), {errc::ok});
        last = value;
        log_.end("", "ok");
        break;
      case 3: {
        log_.begin("\"op\":\"del\"," + named);
        auto answer = db_.erase(ns, key);
        expect(answer, {errc::ok, errc::not_found});
        last.clear();
        log_.end(answer == errc::ok ? ",\"existed\":true"
                                    : ",\"existed\":false",
                 "ok");
        break;
      }
      case 4:
        compare("null", named, value,
                [&] { return db_.set_if_absent(ns, key, value); });
        break;
      default:
        if (last.empty())
          break;
        compare(json_text(last), named, value,
                [&] { return db_.compare_and_swap(ns, key, last, value); });
    }
  }

  template <class Swap>
  void compare(const std::string& expected, const std::string& named,
               const std::string& value, Swap&& swap) {
    log_.begin("\"op\":\"cas\"," + named + ",\"expect\":" + expected
               + ",\"value\":" + json_text(value));
    auto answer = swap();
    expect(answer, {errc::ok, errc::exists, errc::mismatch, errc::not_found});
    if (answer == errc::ok)
      log_.end("", "ok");
    else
      log_.end(",\"reason\":\"mismatch\"", "fail");
  }

  void stir() {
    auto age = static_cast<std::uint64_t>((now_ns() - begin_ns_) / 1'000'000);
    auto number = pick(200 + std::min<std::uint64_t>(age, 2000));
    auto key = "other" + std::to_string(number);
    switch (pick(4)) {
      case 0:
      case 1: {
        constexpr std::size_t sizes[] = {10, 100, 100, 700, 3000, 20'000};
        auto size = sizes[pick(std::size(sizes))];
        if (size > 3000 && number % 50 != 0)
          size = 60;
        expect(db_.set(ns, key,
                       std::string(pick(size) + 1,
                                   static_cast<char>('a' + number % 26))),
               {errc::ok});
        break;
      }
      case 2:
        expect(db_.erase(ns, key), {errc::ok, errc::not_found});
        break;
      default: {
        std::string value;
        auto answer = db_.get(ns, key, value);
        expect(answer, {errc::ok, errc::not_found});
        if (answer == errc::ok
            && value.find_first_not_of(static_cast<char>('a' + number % 26))
                 != std::string::npos)
          wrong("a value that nobody stored");
      }
    }
  }

  void expect(errc answer, std::initializer_list<errc> allowed) {
    for (auto each : allowed)
      if (answer == each)
        return;
    wrong(std::string{code_name(answer)});
  }

  [[noreturn]] void wrong(const std::string& what) {
    std::fprintf(stderr, "client %d: unexpected %s\n", process_, what.c_str());
    ::_exit(exit_wrong_value);
  }

  store& db_;
  history log_;
  int process_;
  std::int64_t begin_ns_;
  std::mt19937_64 random_;
  std::uint64_t sequence_ = 0;
  std::map<std::string, std::string> seen_;
};

pid_t start_client(const std::string& path, const std::string& directory,
                   int process, std::int64_t begin_ns) {
  auto child = ::fork();
  if (child != 0)
    return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto db = store::open(path);
  if (!db) {
    std::fprintf(stderr, "client %d: %s\n", process,
                 db.error().to_string().c_str());
    ::_exit(exit_wrong_value);
  }
  client{*db, directory, process, begin_ns}.work();
}

/// Waits for a killed child; anything but our SIGKILL is a finding.
void reap(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child)
    fail("lost a child");
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    fail("a client ended by itself, status " + std::to_string(status));
}

std::uint64_t clear_all(store& db) {
  std::uint64_t removed = 0;
  if (db.clear(ns, removed) != errc::ok)
    fail("clear failed");
  return removed;
}

/// How many entries of a size the segment holds when it is filled.
std::size_t capacity(store& db, std::size_t value_bytes) {
  std::string value(value_bytes, 'f');
  std::size_t count = 0;
  while (db.set(ns, "fill" + std::to_string(count), value) == errc::ok)
    ++count;
  (void)clear_all(db);
  return count;
}

/// Nothing may be missing once all clients are dead and cleaned up after.
void check_remains(store& db, const std::string& scratch) {
  if (auto recovered = db.recover(); !recovered)
    fail("recover: " + recovered.error().to_string());
  auto stats = db.stats();
  std::printf("entries %lu, doublings %lu, recoveries %lu, retries of the "
              "living %lu\n",
              stats.entries, stats.index_doublings, stats.recoveries,
              stats.retries);
  if (stats.participants != 1 || stats.threads != 1)
    fail(std::to_string(stats.participants) + " participants and "
         + std::to_string(stats.threads) + " threads are left, not 1 and 1");
  auto damaged = db.verify();
  if (!damaged || *damaged != 0)
    fail("verify found damage");
  std::uint64_t shown = 0;
  for (scan_cursor cursor; !cursor.done();)
    (void)db.scan(ns, cursor, 1000, [&](const scan_entry&) { ++shown; });
  auto removed = clear_all(db);
  if (shown != removed)
    fail("a scan shows " + std::to_string(shown) + " entries, clear removes "
         + std::to_string(removed));
  auto fresh = store::create(scratch, geometry_options());
  if (!fresh)
    fail(fresh.error().to_string());
  (void)store::remove(scratch);
  for (std::size_t value_bytes : {100U, 1000U, 20'000U}) {
    auto here = capacity(db, value_bytes);
    auto there = capacity(*fresh, value_bytes);
    std::printf("values of %zu bytes: room for %zu, in a fresh segment %zu\n",
                value_bytes, here, there);
    if (here * 100 < there * 98)
      fail("memory is lost");
  }
}

int run_checker(const std::string& checker, const std::string& directory) {
  std::vector<std::string> words{checker, "--allow-torn-tail"};
  for (const auto& file : std::filesystem::directory_iterator{directory})
    words.push_back(file.path().string());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::fflush(stdout);
  auto child = ::fork();
  if (child == 0) {
    ::execv(checker.c_str(), arguments.data());
    ::_exit(127);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status))
    fail("the checker did not end");
  return WEXITSTATUS(status);
}

int run(const settings& wanted) {
  auto name = "neuroplex-kill-" + std::to_string(::getpid());
  auto path = "/dev/shm/" + name;
  auto directory =
    wanted.keep.empty()
      ? std::filesystem::temp_directory_path().string() + "/" + name
      : wanted.keep;
  std::filesystem::create_directories(directory);
  auto db = store::create(path, geometry_options());
  if (!db)
    fail(db.error().to_string());
  auto begin = now_ns();
  auto end = begin + wanted.seconds * 1'000'000'000LL;
  int next_process = 1;
  std::vector<pid_t> clients;
  clients.reserve(static_cast<std::size_t>(wanted.clients));
  for (int i = 0; i < wanted.clients; ++i)
    clients.push_back(start_client(path, directory, next_process++, begin));
  std::mt19937_64 random{wanted.seed};
  std::size_t kills = 0;
  std::size_t stops = 0;
  std::size_t recovered_threads = 0;
  pid_t stopped = 0;
  auto go_on = [&] {
    return now_ns() < end && (wanted.kills == 0 || kills < wanted.kills);
  };
  while (go_on()) {
    ::usleep(static_cast<useconds_t>(
      random() % (2U * static_cast<unsigned>(wanted.kill_every_us)) + 1));
    auto victim = random() % clients.size();
    if (random() % 16 == 0 && stopped == 0) {
      stopped = clients[victim];
      ::kill(stopped, SIGSTOP);
      ++stops;
    } else if (random() % 4 == 0 && stopped != 0) {
      ::kill(stopped, SIGCONT);
      stopped = 0;
    } else {
      // One or several at a time, so that who recovers is often dead soon, too.
      auto count = random() % clients.size() + 1;
      auto at_once = random() % 2 == 0 ? 1 : count;
      for (std::size_t i = 0; i < at_once; ++i)
        ::kill(clients[(victim + i) % clients.size()], SIGKILL);
      for (std::size_t i = 0; i < at_once; ++i) {
        auto& each = clients[(victim + i) % clients.size()];
        reap(each);
        if (stopped == each)
          stopped = 0;
        ++kills;
        // Sometimes the newcomer cleans up, sometimes the survivor.
        if (random() % 4 == 0) {
          auto found = db->recover();
          if (!found)
            fail("recover: " + found.error().to_string());
          recovered_threads += *found;
        }
        each = start_client(path, directory, next_process++, begin);
      }
    }
    if (random() % 256 == 0)
      (void)db->grow_index();
  }
  auto ended = now_ns();
  for (auto each : clients) {
    ::kill(each, SIGKILL);
    reap(each);
    ++kills;
  }
  if (auto found = db->recover(); found)
    recovered_threads += *found;
  std::printf("%zu kills in %.1f s, %zu stops, %zu threads recovered by the "
              "survivor\n",
              kills, static_cast<double>(ended - begin) / 1e9, stops,
              recovered_threads);
  if (kills < wanted.kills)
    fail("too few kills: " + std::to_string(wanted.kills) + " were wanted");
  {
    history log{directory, 0};
    auto eras = (ended - begin) / keys_change_after_ns + 1;
    for (std::int64_t era = 0; era < eras; ++era)
      for (int i = 0; i < keys_at_a_time; ++i) {
        auto key = "k" + std::to_string(era) + "-" + std::to_string(i);
        log.begin("\"op\":\"get\",\"key\":" + json_text(key));
        std::string value;
        auto answer = db->get(ns, key, value);
        if (answer != errc::ok && answer != errc::not_found)
          fail("final get: " + std::string{code_name(answer)});
        log.end(",\"value\":"
                  + (answer == errc::ok ? json_text(value) : "null"),
                "ok");
      }
  }
  check_remains(*db, path + "-fresh");
  (void)store::remove(path);
  auto answer = exit_skipped;
  if (wanted.checker.empty())
    std::printf("no checker of histories was given: skipped\n");
  else
    answer = run_checker(wanted.checker, directory);
  if (wanted.keep.empty() && (answer == 0 || answer == exit_skipped))
    std::filesystem::remove_all(directory);
  else
    std::printf("histories: %s\n", directory.c_str());
  return answer;
}

} // namespace

int main(int argc, char** argv) {
  settings wanted;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    std::string value = argv[i + 1];
    if (name == "--seconds")
      wanted.seconds = std::atoi(value.c_str());
    else if (name == "--kills")
      wanted.kills = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--clients")
      wanted.clients = std::atoi(value.c_str());
    else if (name == "--kill-every-us")
      wanted.kill_every_us = std::atoi(value.c_str());
    else if (name == "--seed")
      wanted.seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (name == "--checker")
      wanted.checker = value;
    else if (name == "--keep")
      wanted.keep = value;
    else
      fail("unknown option " + name);
  }
  ::alarm(static_cast<unsigned>(wanted.seconds) + 540); // a hang is a failure
  return run(wanted);
}
