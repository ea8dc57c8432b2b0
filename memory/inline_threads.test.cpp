// Inline namespaces by many threads, and by processes that are killed.
#include "memory/inline_fixture.test.hpp"

#include <array>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

/// A value that names its key and its writer's sequence, all of it checked.
std::string value_of_key(std::uint64_t number, std::uint64_t sequence) {
  auto value = std::to_string(number) + ":" + std::to_string(sequence) + ":";
  return value + bytes_of(inline_value_bytes - value.size(), sequence);
}

bool describes(std::uint64_t number, const std::string& value,
               std::uint64_t* sequence = nullptr) {
  auto head = std::to_string(number) + ":";
  if (!value.starts_with(head))
    return false;
  auto found = std::strtoull(value.c_str() + head.size(), nullptr, 10);
  if (sequence != nullptr)
    *sequence = found;
  return value == value_of_key(number, found);
}

std::uint64_t next(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

} // namespace

TEST_CASE("readers of an inline namespace see whole values, none of them older "
          "than one they saw before",
          "[inline][threads]") {
  segment s;
  constexpr std::uint64_t keys = 60; // two crowded groups
  auto space = open_inline(s.db, inline_sizes(keys));
  for (std::uint64_t i = 0; i < keys; ++i)
    REQUIRE(space.set(inline_key(i), value_of_key(i, 1)) == errc::ok);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> absent{0};
  std::atomic<std::uint64_t> older{0};
  std::vector<std::thread> readers;
  for (unsigned r = 0; r < 3; ++r)
    readers.emplace_back([&, r] {
      std::array<std::uint64_t, keys> newest{};
      std::string value;
      std::uint64_t state = r + 1;
      while (!stop.load(std::memory_order_relaxed)) {
        auto i = next(state) % keys;
        auto answer = space.get(inline_key(i), value);
        std::uint64_t sequence = 0;
        if (answer != errc::ok) {
          absent += answer == errc::busy ? 0 : 1;
          continue;
        }
        wrong += describes(i, value, &sequence) ? 0 : 1;
        older += sequence < newest[i] ? 1 : 0;
        newest[i] = sequence;
      }
    });
  std::vector<std::thread> writers;
  for (unsigned w = 0; w < 2; ++w)
    writers.emplace_back([&, w] {
      for (std::uint64_t n = 2; n < scaled(60'000); ++n)
        for (auto i = n % 4 + w * (keys / 2); i < (w + 1) * (keys / 2); i += 8)
          wrong +=
            space.set(inline_key(i), value_of_key(i, n)) == errc::ok ? 0 : 1;
    });
  for (auto& each : writers)
    each.join();
  stop = true;
  for (auto& each : readers)
    each.join();
  CHECK(wrong == 0);
  CHECK(absent == 0);
  CHECK(older == 0);
}

TEST_CASE("threads that insert the same keys inline agree on who was first",
          "[inline][threads]") {
  for (std::uint64_t capacity : {40U, 2000U}) {
    segment s;
    auto space = open_inline(s.db, inline_sizes(capacity));
    auto ns = space.id();
    constexpr unsigned thread_count = 4;
    auto rounds = scaled(capacity < 100 ? 1500 : 60);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      std::atomic<unsigned> ready{0};
      std::array<std::uint64_t, thread_count> won{};
      std::atomic<std::uint64_t> failed{0};
      std::vector<std::thread> threads;
      for (unsigned t = 0; t < thread_count; ++t)
        threads.emplace_back([&, t] {
          ready.fetch_add(1);
          while (ready.load() < thread_count)
            std::this_thread::yield();
          for (std::uint64_t i = 0; i < capacity; ++i) {
            auto answer =
              space.set_if_absent(inline_key(i), value_of_key(i, t));
            won[t] += answer == errc::ok ? 1 : 0;
            failed += answer == errc::ok || answer == errc::exists ? 0 : 1;
          }
        });
      for (auto& each : threads)
        each.join();
      REQUIRE(failed == 0);
      REQUIRE(won[0] + won[1] + won[2] + won[3] == capacity);
      REQUIRE(count_entries(s.db, ns) == capacity);
      std::array<std::uint64_t, thread_count> found{};
      std::string value;
      for (std::uint64_t i = 0; i < capacity; ++i) {
        REQUIRE(space.get(inline_key(i), value) == errc::ok);
        std::uint64_t who = 0;
        REQUIRE(describes(i, value, &who));
        ++found[who];
      }
      REQUIRE(found == won);
      std::uint64_t removed = 0;
      REQUIRE(s.db.clear(ns, removed) == errc::ok);
      REQUIRE(removed == capacity);
    }
    CHECK(s.db.stats().entries == 0);
  }
}

TEST_CASE("compare_and_swap of an inline namespace loses no step",
          "[inline][threads]") {
  segment s;
  auto space = open_inline(s.db, inline_sizes(40));
  auto ns = space.id();
  constexpr unsigned thread_count = 4;
  auto steps = scaled(5000);
  REQUIRE(space.set(inline_key(0), value_of_key(0, 0)) == errc::ok);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> failed{0};
  for (unsigned t = 0; t < thread_count; ++t)
    threads.emplace_back([&, t] {
      std::string present;
      for (std::uint64_t done = 0; done < steps;) {
        // Others come and go in the same group.
        (void)space.set(inline_key(1 + t), value_of_key(1 + t, done));
        if (done % 3 == 0)
          (void)space.erase(inline_key(1 + t));
        std::uint64_t sequence = 0;
        if (space.get(inline_key(0), present) != errc::ok
            || !describes(0, present, &sequence)) {
          ++failed;
          return;
        }
        auto answer = s.db.compare_and_swap(ns, inline_key(0), present,
                                            value_of_key(0, sequence + 1));
        if (answer == errc::ok)
          ++done;
        else if (answer != errc::mismatch && answer != errc::busy)
          ++failed;
      }
    });
  for (auto& each : threads)
    each.join();
  REQUIRE(failed == 0);
  std::string value;
  REQUIRE(space.get(inline_key(0), value) == errc::ok);
  CHECK(value == value_of_key(0, steps * thread_count));
}

namespace {

/// What a process that will be killed tells of itself: for each key of its own
/// the last write that was acknowledged and the last that was begun. Zero is an
/// erase or nothing.
struct diary {
  static constexpr std::uint64_t keys = 30;
  std::array<std::atomic<std::uint64_t>, keys> acknowledged;
  std::array<std::atomic<std::uint64_t>, keys> begun;
  std::atomic<std::uint64_t> writes;
};

/// Writes its own keys until it is killed.
[[noreturn]] void write_for_ever(const std::string& path, diary& mine,
                                 std::uint64_t first_key, std::uint64_t seed) {
  auto db = store::open(path);
  if (!db)
    ::_exit(1);
  auto id = db->find_namespace("inline");
  auto space = db->inline_handle(*id);
  std::uint64_t state = seed * 2 + 1;
  for (std::uint64_t sequence = 1;; ++sequence) {
    auto i = next(state) % diary::keys;
    auto number = first_key + i;
    bool erase = next(state) % 4 == 0;
    auto now = erase ? 0 : seed * 100'000'000 + sequence;
    mine.begun[i].store(now + 1);
    auto answer = erase
                    ? space->erase(inline_key(number))
                    : space->set(inline_key(number), value_of_key(number, now));
    if (answer == errc::ok || (erase && answer == errc::not_found))
      mine.acknowledged[i].store(now + 1);
    else
      mine.begun[i].store(mine.acknowledged[i].load());
    mine.writes.fetch_add(1);
  }
}

} // namespace

TEST_CASE("a process killed in an inline write loses nothing and keeps "
          "nothing back",
          "[inline][kill]") {
  constexpr unsigned writers = 2;
  segment s;
  // 60 keys of two groups, so that each write meets a crowded one.
  auto space = open_inline(s.db, inline_sizes(diary::keys * writers + 20));
  auto* shared =
    ::mmap(nullptr, sizeof(diary) * writers, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto* diaries = static_cast<diary*>(shared);
  for (unsigned w = 0; w < writers; ++w)
    for (auto& each : diaries[w].acknowledged)
      each.store(1);
  auto kills = scaled(150);
  for (std::uint64_t round = 1; round <= kills; ++round) {
    std::array<pid_t, writers> children{};
    for (unsigned w = 0; w < writers; ++w) {
      for (std::size_t i = 0; i < diary::keys; ++i)
        diaries[w].begun[i].store(diaries[w].acknowledged[i].load());
      diaries[w].writes.store(0);
      children[w] = ::fork();
      if (children[w] == 0)
        write_for_ever(s.path.str(), diaries[w], w * diary::keys,
                       round * writers + w);
      REQUIRE(children[w] > 0);
    }
    for (unsigned w = 0; w < writers; ++w) {
      auto goal = 20 + round * 37 % 300;
      REQUIRE(eventually([&] { return diaries[w].writes.load() >= goal; }));
      REQUIRE(::kill(children[w], SIGKILL) == 0);
      int status = 0;
      REQUIRE(::waitpid(children[w], &status, 0) == children[w]);
      REQUIRE(WIFSIGNALED(status));
    }
    auto recovered = s.db.recover();
    REQUIRE(recovered);
    std::string value;
    for (unsigned w = 0; w < writers; ++w)
      for (std::uint64_t i = 0; i < diary::keys; ++i) {
        auto number = w * diary::keys + i;
        auto answer = space.get(inline_key(number), value);
        std::uint64_t seen = 0;
        if (answer == errc::ok)
          REQUIRE(describes(number, value, &seen));
        else
          REQUIRE(answer == errc::not_found);
        auto& mine = diaries[w];
        CAPTURE(round, number, seen);
        REQUIRE((seen + 1 == mine.acknowledged[i].load()
                 || seen + 1 == mine.begun[i].load()));
        mine.acknowledged[i].store(seen + 1);
      }
    // Every record can be used again: the table takes as much as ever.
    if (round % 10 != 0)
      continue;
    std::uint64_t removed = 0;
    REQUIRE(s.db.clear(space.id(), removed) == errc::ok);
    std::uint64_t stored = 0;
    while (space.set(inline_key(1000 + stored), value_of_key(1000 + stored, 1))
           == errc::ok)
      ++stored;
    CHECK(stored == space.records() / 48 * 47);
    REQUIRE(s.db.clear(space.id(), removed) == errc::ok);
    for (unsigned w = 0; w < writers; ++w)
      for (auto& each : diaries[w].acknowledged)
        each.store(1);
  }
  ::munmap(shared, sizeof(diary) * writers);
}
