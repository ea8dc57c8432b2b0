#include "storage/concept/write_log.hpp"

#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/fixture.test.hpp"

#include <atomic>
#include <thread>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;
using namespace std::chrono_literals;

namespace {

write_entry numbered(std::uint64_t number) {
  write_entry entry;
  make_forget(concept_id{number, number}, entry);
  return entry;
}

/// Keeps what it is given, and fails when told.
class test_spill final : public spill_store {
public:
  expected<void> put(std::vector<write_entry>& entries) override {
    if (fails)
      return failure{errc::io, "disk: told to fail: try again"};
    for (auto& each : entries)
      entries_.push_back(std::move(each));
    return {};
  }
  expected<void> take(std::vector<write_entry>& to, std::size_t most) override {
    auto count = std::min(most, entries_.size());
    for (std::size_t i = 0; i < count; ++i)
      to.push_back(std::move(entries_[i]));
    entries_.erase(entries_.begin(),
                   entries_.begin() + static_cast<std::ptrdiff_t>(count));
    return {};
  }
  [[nodiscard]] std::uint64_t size() const noexcept override {
    return entries_.size();
  }

  bool fails = false;

private:
  std::vector<write_entry> entries_;
};

std::vector<write_entry> take_all(write_log& log) {
  std::vector<write_entry> taken;
  REQUIRE(log.take(taken, 1'000'000));
  return taken;
}

} // namespace

TEST_CASE("entries leave in the order of their numbers", "[write_log]") {
  write_log log{{.capacity = 8, .policy = overflow_policy::reject}};
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < 8; ++i) {
      auto entry = numbered(i);
      REQUIRE(log.append(entry) == errc::ok);
    }
    CHECK(log.pending() == 8);
    auto taken = take_all(log);
    REQUIRE(taken.size() == 8);
    for (std::uint64_t i = 0; i < 8; ++i) {
      CHECK(taken[i].id.high == i);
      CHECK(taken[i].sequence == static_cast<std::uint64_t>(round) * 8 + i + 1);
    }
  }
}

TEST_CASE("a full log that rejects keeps what it has and says so",
          "[write_log]") {
  write_log log{{.capacity = 5, .policy = overflow_policy::reject}};
  for (std::uint64_t i = 0; i < 9; ++i) {
    auto entry = numbered(i);
    CHECK(log.append(entry) == (i < 5 ? errc::ok : errc::busy));
  }
  CHECK(log.stats().rejected == 4);
  CHECK(log.stats().written == 5);
  CHECK(take_all(log).size() == 5);
}

TEST_CASE("a full log that drops tells which", "[write_log]") {
  write_log log{{.capacity = 4, .policy = overflow_policy::drop_oldest}};
  for (std::uint64_t i = 1; i <= 10; ++i) {
    auto entry = numbered(i);
    REQUIRE(log.append(entry) == errc::ok);
  }
  auto stats = log.stats();
  CHECK(stats.written == 10);
  CHECK(stats.dropped == 6);
  CHECK(stats.pending == 4);
  auto events = log.events();
  REQUIRE(events.size() == 6);
  for (std::uint64_t i = 0; i < 6; ++i) {
    CHECK(events[i].what == log_event::kind::dropped);
    CHECK(events[i].id.high == i + 1);
    CHECK(events[i].sequence == i + 1);
  }
  auto taken = take_all(log);
  REQUIRE(taken.size() == 4);
  CHECK(taken[0].sequence == 7);
}

TEST_CASE("a full log that blocks gives up at its deadline", "[write_log]") {
  write_log log{
    {.capacity = 2, .policy = overflow_policy::block, .block_for = 5ms}};
  for (std::uint64_t i = 0; i < 2; ++i) {
    auto entry = numbered(i);
    REQUIRE(log.append(entry) == errc::ok);
  }
  auto entry = numbered(3);
  CHECK(log.append(entry) == errc::busy);
  CHECK(entry.id.high == 3);
  CHECK(take_all(log).size() == 2);
  CHECK(log.append(entry) == errc::ok);
}

TEST_CASE("a full log that spills loses nothing and keeps the order",
          "[write_log]") {
  test_spill spill;
  write_log log{{.capacity = 4}, &spill};
  for (std::uint64_t i = 1; i <= 11; ++i) {
    auto entry = numbered(i);
    REQUIRE(log.append(entry) == errc::ok);
  }
  CHECK(log.stats().spilled == 8);
  CHECK(log.pending() == 11);
  std::vector<write_entry> taken;
  REQUIRE(log.take(taken, 3));
  for (std::uint64_t i = 12; i <= 20; ++i) {
    auto entry = numbered(i);
    REQUIRE(log.append(entry) == errc::ok);
  }
  REQUIRE(log.take(taken, 100));
  REQUIRE(taken.size() == 20);
  for (std::uint64_t i = 0; i < 20; ++i)
    CHECK(taken[i].sequence == i + 1);

  SECTION("what cannot be spilled is refused, the rest stays") {
    spill.fails = true;
    for (std::uint64_t i = 0; i < 4; ++i) {
      auto entry = numbered(i);
      REQUIRE(log.append(entry) == errc::ok);
    }
    auto entry = numbered(9);
    CHECK(log.append(entry) == errc::io);
    auto left = take_all(log);
    REQUIRE(left.size() == 4);
    for (std::uint64_t i = 0; i < 4; ++i)
      CHECK(left[i].id.high == i);
  }
}

TEST_CASE("many producers lose nothing, and each keeps its order",
          "[write_log][threads]") {
  for (auto policy : {overflow_policy::spill, overflow_policy::drop_oldest,
                      overflow_policy::reject, overflow_policy::block}) {
    constexpr std::uint64_t producers = 3;
    constexpr std::uint64_t each = 4000;
    test_spill spill;
    write_log log{{.capacity = 64, .policy = policy}, &spill};
    std::atomic<std::uint64_t> running{producers};
    std::atomic<std::uint64_t> accepted{0};
    std::vector<std::thread> threads;
    for (std::uint64_t p = 0; p < producers; ++p)
      threads.emplace_back([&, p] {
        for (std::uint64_t i = 0; i < each; ++i) {
          write_entry entry;
          make_forget(concept_id{p, i}, entry);
          if (log.append(entry) == errc::ok)
            ++accepted;
        }
        --running;
      });
    std::vector<write_entry> taken;
    bool last = false;
    while (!last) {
      last = running == 0;
      REQUIRE(log.take(taken, 100'000));
    }
    for (auto& thread : threads)
      thread.join();
    CHECK(log.stats().written == accepted);
    CHECK(taken.size() + log.stats().dropped == accepted);
    if (policy == overflow_policy::spill)
      CHECK(taken.size() == producers * each);
    std::array<std::uint64_t, producers> next{};
    std::uint64_t sequence = 0;
    for (const auto& entry : taken) {
      REQUIRE(entry.sequence > sequence);
      sequence = entry.sequence;
      REQUIRE(entry.id.low >= next[entry.id.high]);
      next[entry.id.high] = entry.id.low + 1;
    }
  }
}

TEST_CASE("readers see whole batches while a writer learns",
          "[memory][threads]") {
  memory_options options;
  options.interval = 1ms;
  options.max_batch = 64;
  options.log.capacity = 128;
  auto made = concurrent_memory::make(options);
  REQUIRE(made);
  auto& memory = **made;
  REQUIRE(memory.types().intern("next"));
  constexpr std::uint64_t concepts = 2000;
  std::atomic<bool> done{false};
  constexpr int reader_count = 2;
  std::vector<std::thread> readers;
  readers.reserve(reader_count);
  std::atomic<std::uint64_t> wrong{0};
  for (int r = 0; r < reader_count; ++r)
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!done) {
        auto now = memory.load("reader");
        if (!now) {
          ++wrong;
          continue;
        }
        const auto& version = **now;
        // Each entry is one concept or one link, in the order written.
        auto applied = version.concept_count + version.association_count;
        if (applied != version.sequence || version.sequence < last)
          ++wrong;
        last = version.sequence;
        if (version.concept_count == 0)
          continue;
        auto newest = version.find(id_of(version.concept_count - 1));
        if (!newest || version.find(id_of(version.concept_count)))
          ++wrong;
        else if (version.records[*newest].content() != "content")
          ++wrong;
      }
    });
  std::uint64_t sequence = 0;
  for (std::uint64_t i = 0; i < concepts; ++i) {
    REQUIRE(memory.learn_concept(id_of(i), {.content = "content"}) == errc::ok);
    if (i != 0)
      REQUIRE(memory.learn_association({id_of(i), id_of(i / 2)}, &sequence)
              == errc::ok);
  }
  CHECK(sequence == 2 * concepts - 1);
  CHECK(memory.wait_visible(sequence, 60s) == errc::ok);
  done = true;
  for (auto& reader : readers)
    reader.join();
  CHECK(wrong == 0);
  auto stats = memory.stats();
  CHECK(stats.concepts == concepts);
  CHECK(stats.edges == concepts - 1);
  CHECK(stats.reconciler.entries_processed == sequence);
  CHECK(stats.write_log.pending == 0);
  CHECK(health(stats, stats.checked_us).empty());
}

TEST_CASE("health tells what is wrong and what to do", "[memory]") {
  memory_stats stats;
  stats.checked_us = 1'000'000;
  CHECK(health(stats, 10'000'000).empty()); // nothing waits
  stats.write_log.pending = 1;
  auto notices = health(stats, 1'200'000);
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].state == "reconciler behind");
  stats.write_log.pending = 10'001;
  stats.write_log.dropped = 3;
  notices = health(stats, 1'000'000);
  REQUIRE(notices.size() == 2);
  CHECK(notices[0].state == "write pressure");
  CHECK(notices[1].reason.starts_with("3 entries"));
}

TEST_CASE("presets are the documented ones, and options have limits",
          "[memory]") {
  CHECK(memory_options{}.interval == 10ms);
  CHECK(memory_options{}.flush_threshold == 50'000);
  CHECK(memory_options{}.log.capacity == 100'000);
  CHECK(memory_options::write_throughput().interval == 50ms);
  CHECK(memory_options::write_throughput().flush_threshold == 100'000);
  CHECK(memory_options::read_latency().interval == 5ms);
  CHECK(memory_options::read_latency().flush_threshold == 10'000);
  CHECK(memory_options::small_memory().interval == 10ms);
  CHECK(memory_options::small_memory().flush_threshold == 5'000);
  memory_options wrong;
  wrong.interval = 0ms;
  CHECK(concurrent_memory::make(wrong).code() == errc::bad_argument);
  wrong = {};
  wrong.log.capacity = 1;
  CHECK(concurrent_memory::make(wrong).code() == errc::bad_argument);
  wrong = {};
  wrong.max_batch = 0;
  CHECK(concurrent_memory::make(wrong).code() == errc::bad_argument);
}

TEST_CASE("an association that nobody can have is told of", "[memory]") {
  auto made = concurrent_memory::make({});
  REQUIRE(made);
  auto& memory = **made;
  REQUIRE(memory.types().intern("next"));
  REQUIRE(memory.learn_association({id_of(1), id_of(2)}) == errc::ok);
  CHECK(memory.flush(60s) == errc::ok);
  CHECK(memory.stats().reconciler.entries_refused == 1);
  auto events = memory.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == log_event::kind::refused);
  CHECK(events[0].why == errc::not_found);
  CHECK(events[0].target == id_of(2));
}

TEST_CASE("a memory without a thread shows what its caller reconciles",
          "[memory]") {
  memory_options options;
  options.interval = 1ms;
  options.own_thread = false;
  auto memory = concurrent_memory::make(options);
  REQUIRE(memory);
  std::uint64_t sequence = 0;
  REQUIRE((*memory)->learn_concept(id_of(1), {}, &sequence) == errc::ok);
  CHECK((*memory)->visible_sequence() < sequence);
  CHECK((*memory)->reconcile());
  CHECK((*memory)->visible_sequence() == sequence);
  // One that was made before is taken as any other, or refused.
  write_entry entry;
  REQUIRE(make_learn_association({id_of(1), id_of(1), 7}, entry) == errc::ok);
  CHECK((*memory)->write(entry) == errc::bad_argument);
  make_forget(id_of(1), entry);
  REQUIRE((*memory)->write(entry) == errc::ok);
  // What was accepted is applied before the end.
  REQUIRE((*memory)->close());
  CHECK((*memory)->visible_sequence() == entry.sequence);
  CHECK((*memory)->stats().concepts == 0);
  CHECK_FALSE((*memory)->reconcile());
}
