#include "storage/concept/shared_view.hpp"

#include "memory/temporary_directory.test.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/fixture.test.hpp"
#include "storage/concept/query.hpp"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;
using namespace std::chrono_literals;

// Addresses that are the same everywhere are not ThreadSanitizer's.
#if !defined(__SANITIZE_THREAD__)

namespace {

/// A place for a memory to show itself, and a count that processes wait for.
struct stage {
  memory::testing::temporary_directory folder;
  memory_options options;
  std::atomic<int>* step;

  stage() {
    options.interval = 1ms;
    options.own_thread = false;
    options.shown = {folder.path() / "view", std::uint64_t{1} << 30};
    auto* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    step = new (page) std::atomic<int>{0};
  }
  ~stage() {
    ::munmap(step, 4096);
  }

  void wait_for(int wanted) const {
    auto deadline = std::chrono::steady_clock::now() + 120s;
    while (step->load() < wanted) {
      NEUROPLEX_ENSURE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
  }

  /// As soon as a memory shows itself.
  [[nodiscard]] view_reader reader() const {
    auto deadline = std::chrono::steady_clock::now() + 120s;
    for (;;) {
      if (auto found = view_reader::attach(options.shown.path))
        return std::move(*found);
      NEUROPLEX_ENSURE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
  }

  [[nodiscard]] std::unique_ptr<concurrent_memory> memory() const {
    auto made = concurrent_memory::make(options);
    REQUIRE(made);
    REQUIRE((*made)->types().intern("next", "comes before"));
    return std::move(*made);
  }

  /// Runs `what` in a process of its own, which must be there before a memory
  /// is in this one: an address is used once in a process.
  template <class What>
  pid_t in_process(What&& what) const {
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
      ::_exit(what() ? 0 : 1);
    return child;
  }
};

/// Learns a ring of `count` concepts of a strength, in one batch.
void learn_ring(concurrent_memory& memory, std::uint64_t count,
                float strength) {
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(memory.learn_concept(id_of(i), {.content = std::string(i * 30, 'x'),
                                            .strength = strength})
            == errc::ok);
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(memory.learn_association({id_of(i), id_of((i + 1) % count)})
            == errc::ok);
  REQUIRE(memory.reconcile());
}

/// Whether a version is one whole batch of `learn_ring`; answers the strength.
std::optional<float> whole_ring(const graph_version& in, std::uint64_t count) {
  const auto* first = find_concept(in, id_of(0));
  if (first == nullptr || in.concept_count != count
      || in.association_count != count)
    return std::nullopt;
  auto slot = *in.find(id_of(0));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto& record = in.records[slot];
    if (record.id != id_of(i) || record.strength != first->strength
        || record.content() != std::string(i * 30, 'x'))
      return std::nullopt;
    auto near = neighbors(in, slot, {}, 2);
    if (near.found.size() != 1)
      return std::nullopt;
    slot = near.found[0].by.other;
  }
  return first->strength;
}

void check_ended(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

} // namespace

TEST_CASE("other processes read whole batches while they are made", "[view]") {
  constexpr std::uint64_t count = 200;
  constexpr int batches = 40;
  stage on;
  std::array<pid_t, 2> readers{};
  for (auto& each : readers)
    each = on.in_process([&] {
      auto reader = on.reader();
      on.step->fetch_add(1);
      for (float last = 0; last < batches;) {
        auto now = reader.load();
        if (!now)
          return false;
        if ((*now)->concept_count == 0)
          continue;
        auto strength = whole_ring(**now, count);
        if (!strength || *strength < last)
          return false;
        last = *strength;
      }
      return reader.type_name(0) == "next"
             && reader.type_phrase(0) == "comes before"
             && reader.type_name(1) == "?";
    });
  auto memory = on.memory();
  on.wait_for(2);
  for (int i = 1; i <= batches; ++i)
    learn_ring(*memory, count, static_cast<float>(i));
  for (auto reader : readers)
    check_ended(reader);
}

TEST_CASE("a version stays as long as another process looks at it, and is told "
          "of",
          "[view]") {
  constexpr std::uint64_t count = 100;
  stage on;
  auto child = on.in_process([&] {
    auto reader = on.reader();
    on.wait_for(1);
    {
      auto held = reader.load();
      on.step->store(2);
      on.wait_for(3);
      if (!held || whole_ring(**held, count) != 1)
        return false;
    }
    on.step->store(4);
    on.wait_for(5);
    return true;
  });
  auto memory = on.memory();
  learn_ring(*memory, count, 1);
  on.step->store(1);
  on.wait_for(2);
  auto sequence = memory->visible_sequence();
  for (int i = 2; i < 10; ++i)
    learn_ring(*memory, count, static_cast<float>(i));
  auto stats = memory->stats();
  CHECK(stats.versions == 2);
  CHECK(stats.version_bytes > 0);
  REQUIRE_FALSE(stats.holders.empty());
  CHECK(stats.holders[0].who == "process " + std::to_string(child));
  CHECK(stats.holders[0].sequence == sequence);
  on.step->store(3);
  on.wait_for(4);
  REQUIRE(memory->reconcile());
  CHECK(memory->stats().versions == 1);
  CHECK(memory->stats().version_bytes == 0);
  on.step->store(5);
  check_ended(child);
}

TEST_CASE("who is killed holds nothing back", "[view]") {
  stage on;
  std::array<pid_t, 3> readers{};
  for (auto& each : readers)
    each = on.in_process([&]() -> bool {
      auto reader = on.reader();
      on.wait_for(1);
      auto held = reader.load();
      on.step->fetch_add(1);
      for (;;)
        ::pause();
    });
  auto memory = on.memory();
  learn_ring(*memory, 10, 1);
  on.step->store(1);
  on.wait_for(4);
  learn_ring(*memory, 10, 2);
  for (auto reader : readers) {
    CHECK(memory->stats().versions == 2);
    ::kill(reader, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(reader, &status, 0) == reader);
    REQUIRE(memory->reconcile());
  }
  CHECK(memory->stats().versions == 1);
  CHECK(memory->stats().holders.empty());
}

TEST_CASE("a reader finds the next memory, and keeps what it has of the last",
          "[view]") {
  stage on;
  auto child = on.in_process([&] {
    auto first = on.reader();
    on.wait_for(1);
    auto held = first.load();
    on.step->store(2);
    on.wait_for(3);
    if (!held || whole_ring(**held, 10) != 1
        || first.load().code() != errc::closed || first.is_shown())
      return false;
    auto second = on.reader();
    auto now = second.load();
    return now && whole_ring(**now, 20) == 2 && whole_ring(**held, 10) == 1;
  });
  auto memory = on.memory();
  CHECK(concurrent_memory::make(on.options).code() == errc::locked);
  learn_ring(*memory, 10, 1);
  on.step->store(1);
  on.wait_for(2);
  memory.reset();
  CHECK(view_reader::attach(on.options.shown.path).code() == errc::unavailable);
  memory = on.memory();
  learn_ring(*memory, 20, 2);
  on.step->store(3);
  check_ended(child);
}

TEST_CASE("a memory that is killed leaves its last version as it is",
          "[view]") {
  constexpr std::uint64_t count = 1000;
  stage on;
  on.options.own_thread = true;
  auto child = on.in_process([&]() -> bool {
    auto memory = on.memory();
    for (std::uint64_t i = 0;; i = (i + 1) % count)
      (void)memory->learn_concept(id_of(i), {.content = "x"});
  });
  auto reader = on.reader();
  std::vector<shared_snapshot> held;
  while (held.empty()) {
    auto now = reader.load();
    REQUIRE(now);
    if ((*now)->concept_count == count)
      held.push_back(std::move(*now));
  }
  while (held.size() < detail::reader_pages::slots_a_process) {
    auto now = reader.load();
    REQUIRE(now);
    held.push_back(std::move(*now));
  }
  CHECK(reader.load().code() == errc::too_many);
  held.pop_back();
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_FALSE(reader.is_shown());
  auto last = reader.load();
  REQUIRE(last);
  for (std::uint64_t i = 0; i < count; ++i) {
    REQUIRE(find_concept(**last, id_of(i))->content() == "x");
    REQUIRE(find_concept(*held[0], id_of(i))->content() == "x");
  }
  // Another one may take the path.
  CHECK(concurrent_memory::make(on.options));
}

TEST_CASE("a file that shows no memory is refused", "[view]") {
  stage on;
  auto memory = on.memory();
  const auto& path = on.options.shown.path;
  auto attached = [&] { return view_reader::attach(path).code(); };
  auto change = [&](const std::string& file, std::streamoff at, char byte) {
    std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(at).put(byte);
  };
  SECTION("another format") {
    change(path, 0, 'x');
    CHECK(attached() == errc::corrupt);
  }
  SECTION("another layout") {
    change(path, 8, 'x');
    CHECK(attached() == errc::version);
  }
  SECTION("an address of the program's own") {
    change(path, 16 + 5, '\x7f');
    CHECK(attached() == errc::corrupt);
  }
  SECTION("readers' pages cut short") {
    std::filesystem::resize_file(path + ".readers", 4096);
    CHECK(attached() == errc::corrupt);
  }
  SECTION("sizes out of range") {
    on.options.shown.most_bytes = 1;
    CHECK(concurrent_memory::make(on.options).code() == errc::bad_argument);
  }
}

#endif
