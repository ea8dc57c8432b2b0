// Processes that are stopped, forked, die unnoticed, or live in another
// namespace of process numbers, each at work on one segment.
//
// processes; exit 0 good, 1 not.
#include "memory/store.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

using steady = std::chrono::steady_clock;

constexpr auto ns = namespace_id::default_namespace;
constexpr auto patience = std::chrono::seconds{60};

void expect(bool good, const char* what) {
  if (good)
    return;
  std::fprintf(stderr, "processes: not so: %s\n", what);
  std::exit(1);
}

store attach(const std::string& path) {
  auto db = store::open(path);
  if (!db) {
    std::fprintf(stderr, "processes: %s\n", db.error().to_string().c_str());
    std::_Exit(1);
  }
  return std::move(*db);
}

pid_t start(const std::function<void()>& body) {
  auto child = ::fork();
  if (child != 0)
    return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  std::_Exit(0);
}

void wait_until_stopped(pid_t child) {
  int status = 0;
  expect(::waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status),
         "the child stops");
}

void end(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

/// One who is stopped while it pins an entry keeps back that block alone, and
/// reads the same bytes when it goes on.
void stopped_while_pinned(store& db, const std::string& path) {
  const std::string first(1000, 'a');
  expect(db.set(ns, "pinned", first) == errc::ok, "set");
  auto child = start([&] {
    auto own = attach(path);
    value_view view;
    if (own.view(ns, "pinned", view) != errc::ok)
      std::_Exit(1);
    ::raise(SIGSTOP);
    if (view.bytes() != first)
      std::_Exit(2);
    view.release();
    if (own.set(ns, "after", "x") != errc::ok)
      std::_Exit(3);
  });
  wait_until_stopped(child);
  auto used = db.stats().pool_used_bytes;
  constexpr int overwrites = 20'000;
  for (int i = 0; i < overwrites; ++i)
    expect(db.set(ns, "pinned", std::string(1000, 'b')) == errc::ok,
           "others write while one is stopped");
  auto recovered = db.recover();
  expect(recovered && *recovered == 0, "the stopped one counts as living");
  constexpr std::uint64_t limbo = std::uint64_t{256} << 10;
  expect(db.stats().pool_used_bytes <= used + limbo,
         "what one keeps back is bounded");
  ::kill(child, SIGCONT);
  int status = 0;
  expect(::waitpid(child, &status, 0) == child && status == 0,
         "it goes on and reads what it pinned");
}

/// A child of fork that outlives its parent does not keep it alive here.
void child_outlives_parent(store& db, const std::string& path) {
  auto parent = start([&] {
    auto own = attach(path);
    (void)own.set(ns, "from the parent", "x");
    if (::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, 0);
      ::alarm(30);
      for (;;)
        ::pause();
    }
    ::raise(SIGSTOP);
  });
  wait_until_stopped(parent);
  end(parent);
  // The child gives up its parent's lock when it comes to run.
  auto deadline = steady::now() + patience;
  while (db.stats().participants != 1 && steady::now() < deadline)
    (void)db.recover();
  expect(db.stats().participants == 1, "the parent is found dead");
}

/// Writers at work notice the dead; nobody calls recover().
void writers_notice(store& db, const std::string& path) {
  auto child = start([&] {
    auto own = attach(path);
    (void)own.set(ns, "held", "x");
    ::raise(SIGSTOP);
  });
  wait_until_stopped(child);
  expect(db.stats().participants == 2, "two are attached");
  end(child);
  auto deadline = steady::now() + patience;
  while (db.stats().participants != 1 && steady::now() < deadline)
    for (int i = 0; i < 100; ++i)
      (void)db.set(ns, "busy", std::to_string(i));
  expect(db.stats().participants == 1, "a writer notices the dead");
}

/// One that is process number 1 of a namespace of its own dies; one that cannot
/// see it by any number recovers it.
void namespaces_of_processes(store& db, const std::string& path) {
  auto outer = start([&] {
    if (::unshare(CLONE_NEWPID) != 0)
      std::_Exit(77);
    auto inner = start([&] {
      auto own = attach(path);
      (void)own.set(ns, "from within", "x");
      for (;;)
        ::pause();
    });
    auto other = attach(path);
    auto deadline = steady::now() + patience;
    // Attached is not enough: a thread counts from its first operation on.
    while (!other.contains(ns, "from within") && steady::now() < deadline)
      ::sched_yield();
    end(inner);
    auto recovered = other.recover();
    if (!recovered || *recovered != 1)
      std::_Exit(1);
  });
  int status = 0;
  ::waitpid(outer, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::printf("namespaces of process numbers: not allowed here, left out\n");
    return;
  }
  expect(status == 0, "one dead in another namespace is recovered");
  expect(db.stats().participants == 1, "nobody else is left");
}

/// Who judges the order of an adaptive namespace, and evicts by it, is killed
/// again and again: what it has learned stands, the others go on, nothing is
/// counted wrongly.
void judge_killed(store& db, const std::string& path) {
  constexpr std::size_t most = 1'000;
  constexpr std::size_t length = 3 * most;
  auto made = db.open_namespace("adaptive");
  expect(bool{made}, "open_namespace");
  auto space = *made;
  expect(db.set(space, "one", "v") == errc::ok, "set");
  auto info = [&] {
    for (auto& each : db.namespaces())
      if (each.name == "adaptive")
        return each;
    std::_Exit(1);
  };
  auto quota = most * info().block_bytes;
  expect(bool{db.configure(
           space, {.policy = policy_kind::adaptive, .quota_bytes = quota})},
         "configure");
  auto turn = [&](store& own) {
    std::size_t hits = 0;
    std::string value;
    for (std::size_t i = 0; i < length; ++i) {
      auto key = "key" + std::to_string(i % 10) + std::to_string(i);
      if (own.get(space, key, value) == errc::ok)
        ++hits;
      else
        expect(own.set(space, key, "v") == errc::ok, "set in a loop");
    }
    return hits;
  };
  constexpr unsigned kills = 10;
  constexpr std::uint64_t evictions_a_life = 2 * length;
  for (unsigned i = 0; i < kills; ++i) {
    auto before = db.stats().evicted;
    auto child = start([&] {
      auto own = attach(path);
      for (;;)
        (void)turn(own);
    });
    auto deadline = steady::now() + patience;
    while (db.stats().evicted < before + evictions_a_life
           && steady::now() < deadline)
      ::sched_yield();
    end(child);
    expect(db.stats().evicted >= before + evictions_a_life,
           "the judge makes way for its writes");
    auto recovered = db.recover();
    expect(bool{recovered}, "recover");
  }
  expect(turn(db) > length / 5, "what the dead have learned stands");
  std::uint64_t count = 0;
  for (scan_cursor cursor; !cursor.done();)
    expect(db.scan(
             space, cursor, length, [&](const scan_entry&) { ++count; }, false)
             == errc::ok,
           "scan");
  expect(count == info().entries, "every entry is counted once");
  expect(info().block_bytes <= quota, "the quota holds");
}

} // namespace

int main() {
  auto path = "/dev/shm/neuroplex-processes-" + std::to_string(::getpid());
  {
    auto db = store::create(
      path, {.segment_bytes = std::uint64_t{4} << 20, .huge_pages = false});
    expect(bool{db}, "create");
    stopped_while_pinned(*db, path);
    child_outlives_parent(*db, path);
    writers_notice(*db, path);
    namespaces_of_processes(*db, path);
    judge_killed(*db, path);
  }
  (void)store::remove(path);
  std::printf("all is so\n");
  return 0;
}
