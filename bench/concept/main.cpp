// What concept memory costs: lookups and paths, writes, publishes, and whether
// readers and writers disturb each other.
//
// usage: bench_concept [concepts of the generated graph]   (1,000,000)
#include "bench/memory/chase.hpp"
#include "bench/memory/clock.hpp"
#include "cli/concept/wordnet_learner.hpp"
#include "memory/latency_recorder.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string_view>
#include <thread>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

namespace {

using namespace neuroplex;
using namespace neuroplex::concepts;
using memory::latency_recorder;
using namespace std::chrono_literals;

constexpr std::string_view wordnet = "/usr/share/wordnet";
constexpr std::size_t associations_a_concept = 10;
constexpr std::size_t batch_entries = 10'000;

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "bench_concept: %s\n", why);
  std::exit(1);
}

void check(bool right) {
  if (!right)
    give_up("an answer is not what it should be");
}

void row(const char* what, double value, const char* unit,
         const char* wanted = "") {
  std::printf("%-52s %12.1f %-10s %s\n", what, value, unit, wanted);
}

void row(const char* what, const memory::latency_summary& of,
         const char* wanted = "") {
  std::printf("%-52s %8.2f p50 %8.2f p99 %8.2f p99.9 us  %s\n", what,
              static_cast<double>(of.median_ns) / 1e3,
              static_cast<double>(of.p99_ns) / 1e3,
              static_cast<double>(of.p999_ns) / 1e3, wanted);
}

concept_id numbered(std::uint64_t number) {
  return {number * 0x9E37'79B9'7F4A'7C15U, number};
}

/// Far ends of associations: few concepts have very many, by a power law.
class power_law {
public:
  explicit power_law(std::uint64_t concepts) : concepts_{concepts} {
  }

  std::uint64_t operator()(std::mt19937_64& random) const {
    constexpr double exponent = 3;
    auto share = std::generate_canonical<double, 53>(random);
    auto rank = std::pow(share, exponent) * static_cast<double>(concepts_);
    // So that numbers near each other are not alike.
    return static_cast<std::uint64_t>(rank) * 7'919 % concepts_;
  }

private:
  std::uint64_t concepts_;
};

/// A graph by itself, published by hand.
struct bare_graph {
  graph store{7};
  read_view view{store.working()};
  std::uint64_t sequence = 0;

  /// Applies a batch and publishes it; answers nanoseconds.
  double publish(std::span<const write_entry> batch) {
    auto begin = bench::thread_cpu_ns();
    store.apply(batch, 1, [](const write_entry&, errc) { check(false); });
    sequence += batch.size();
    std::vector<retired_block> left;
    auto next = store.publish(sequence, 1, left);
    view.publish(next, std::move(left));
    view.reap(store);
    return bench::thread_cpu_ns() - begin;
  }

  void grow(std::uint64_t concepts, std::mt19937_64& random) {
    std::vector<write_entry> batch;
    auto flush = [&] {
      publish(batch);
      batch.clear();
    };
    for (std::uint64_t i = 0; i < concepts; ++i) {
      auto& entry = batch.emplace_back();
      check(make_learn_concept(numbered(i), {.content = "a concept"}, entry)
            == errc::ok);
      if (batch.size() == batch_entries)
        flush();
    }
    power_law far_end{concepts};
    for (std::uint64_t i = 0; i < concepts * associations_a_concept; ++i) {
      auto& entry = batch.emplace_back();
      association link{numbered(random() % concepts),
                       numbered(far_end(random))};
      check(make_learn_association(link, entry) == errc::ok);
      if (batch.size() == batch_entries)
        flush();
    }
    flush();
  }
};

double lookup_ns(const graph_version& in, std::span<const concept_id> ids,
                 std::uint64_t lookups) {
  std::uint64_t next = 0;
  auto begin = bench::thread_cpu_ns();
  for (std::uint64_t i = 0; i < lookups; ++i) {
    const auto& wanted = ids[next];
    const auto* found = find_concept(in, wanted);
    // Which one comes next depends on what was found, so that no two overlap.
    next = (i + (found->id == wanted ? 1 : 2)) % ids.size();
  }
  auto spent = bench::thread_cpu_ns() - begin;
  check(next == lookups % ids.size());
  return spent / static_cast<double>(lookups);
}

std::vector<concept_id> random_ids(const graph_version& in, std::size_t count,
                                   std::mt19937_64& random) {
  std::vector<concept_id> ids;
  while (ids.size() < count)
    ids.push_back(
      in.records[static_cast<concept_slot>(random() % in.records.size())].id);
  return ids;
}

void measure_load(const concurrent_memory& memory) {
  constexpr std::uint64_t loads = 2'000'000;
  auto begin = bench::thread_cpu_ns();
  for (std::uint64_t i = 0; i < loads; ++i)
    check(static_cast<bool>(memory.load()));
  row("load a snapshot and give it up",
      (bench::thread_cpu_ns() - begin) / static_cast<double>(loads), "ns",
      "wanted < 100");
}

void measure_paths(const graph_version& in, std::mt19937_64& random) {
  latency_recorder times;
  std::uint64_t found = 0;
  constexpr std::size_t queries = 5000;
  walk_options options;
  auto pairs = random_ids(in, 2 * queries, random);
  for (std::size_t i = 0; i < queries; ++i) {
    auto from = *in.find(pairs[2 * i]);
    auto to = *in.find(pairs[2 * i + 1]);
    found += times.time([&] { return find_path(in, from, to, options); })
                 .best.steps.empty()
               ? 0
               : 1;
  }
  row("find_path, depth 6, any two synsets", times.lifetime(),
      "wanted p50 <= 50");
  row("  of these, paths found", static_cast<double>(found) * 100 / queries,
      "%");
}

/// Producers that append as fast as they can, and how long it takes until all
/// is published.
void measure_writes(unsigned producers) {
  memory_options options;
  options.log.capacity = 1 << 20;
  auto memory = concurrent_memory::make(options);
  check(static_cast<bool>(memory));
  auto type = *(*memory)->types().intern("near");
  constexpr std::uint64_t concepts = 100'000;
  for (std::uint64_t i = 0; i < concepts; ++i)
    check((*memory)->learn_concept(numbered(i), {}) == errc::ok);
  check((*memory)->flush(60s) == errc::ok);
  constexpr std::uint64_t entries = 1'000'000;
  const auto written = entries / producers * producers;
  std::vector<latency_recorder> times(producers);
  std::vector<std::thread> threads;
  auto begin = bench::wall_ns();
  auto cpu_begin = bench::clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  for (unsigned p = 0; p < producers; ++p)
    threads.emplace_back([&, p] {
      std::mt19937_64 random{p};
      for (std::uint64_t i = 0; i < entries / producers; ++i) {
        association link{numbered(random() % concepts),
                         numbered(random() % concepts), type};
        check(times[p].time([&] { return (*memory)->learn_association(link); })
              == errc::ok);
      }
    });
  for (auto& thread : threads)
    thread.join();
  check((*memory)->flush(60s) == errc::ok);
  auto spent = bench::wall_ns() - begin;
  auto cpu_spent = bench::clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
  for (unsigned p = 1; p < producers; ++p)
    times[0].merge(times[p]);
  char name[64];
  std::snprintf(name, sizeof name, "learn_association, %u producers",
                producers);
  row(name, times[0].lifetime(), "wanted p50 < 1, p99.9 < 10");
  row("  drained and published", static_cast<double>(written) / spent * 1e3,
      "M/s", "wanted >= 2");
  // On a machine that others use too: what a core does in its own time.
  row("  the same, of a second of this process on one core",
      static_cast<double>(written) / cpu_spent * 1e3, "M/s");
}

double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double publish_us(bare_graph& on, std::uint64_t concepts,
                  std::mt19937_64& random) {
  std::vector<write_entry> batch(batch_entries);
  for (auto& entry : batch)
    check(
      make_learn_association(
        {numbered(random() % concepts), numbered(random() % concepts)}, entry)
      == errc::ok);
  return on.publish(batch) / 1e3;
}

/// In turns, so that what else the machine does disturbs both alike. The small
/// graph is made anew now and then, so that it stays small.
void measure_publishes(bare_graph& large, std::uint64_t concepts,
                       std::mt19937_64& random) {
  constexpr int rounds = 9;
  constexpr int publishes = 10;
  std::vector<double> small_times;
  std::vector<double> large_times;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    bare_graph small;
    small.grow(batch_entries, random);
    std::vector<double> small_us;
    std::vector<double> large_us;
    for (int i = 0; i < publishes; ++i) {
      small_us.push_back(publish_us(small, batch_entries, random));
      large_us.push_back(publish_us(large, concepts, random));
    }
    small_times.push_back(median(small_us));
    large_times.push_back(median(large_us));
    ratios.push_back(large_times.back() / small_times.back());
  }
  row("publish 10,000 associations, 10,000 concepts", median(small_times),
      "us");
  row("publish 10,000 associations, generated graph", median(large_times),
      "us");
  row("  to that of 10,000 concepts, median of nine", median(ratios), "x",
      "wanted <= 3");
}

/// What versions cost while batches of 10,000 are published one after the
/// other: the most memory that all of them take, to that of the newest alone.
/// Readers hold the newest version, or one for as long as `held` publishes
/// take.
void measure_versions(bare_graph& on, std::uint64_t concepts,
                      std::mt19937_64& random, int held) {
  constexpr int publishes = 100;
  double most = 1;
  auto now = on.view.load();
  check(static_cast<bool>(now));
  for (int i = 0; i < publishes; ++i) {
    (void)publish_us(on, concepts, random);
    auto all = static_cast<double>(on.store.memory().used_bytes());
    auto old = static_cast<double>(on.view.kept_bytes());
    most = std::max(most, all / (all - old));
    if (i % held == held - 1)
      *now = std::move(*on.view.load());
  }
  char name[64];
  std::snprintf(name, sizeof name, "memory of versions, each held for %d",
                held);
  std::printf("%-52s %12.3f %-10s %s\n", name, most, "x", "wanted <= 1.2");
}

/// Entries that are on disk when they are acknowledged, with thousands on their
/// way; a flush serves a batch.
void measure_durable() {
  constexpr std::uint64_t entries = 400'000;
  constexpr std::uint64_t outstanding = 20'000;
  constexpr std::uint64_t acknowledged_at_once = 1000;
  std::string folder = std::filesystem::temp_directory_path()
                       / ("bench_concept-" + std::to_string(::getpid()));
  {
    memory_options options;
    options.keep = durability::log;
    auto memory = concurrent_memory::open(folder, true, options);
    if (!memory)
      give_up(memory.error().message().c_str());
    auto begin = bench::wall_ns();
    for (std::uint64_t i = 1; i <= entries; ++i) {
      check((*memory)->learn_concept(numbered(i), {.content = "a concept"})
            == errc::ok);
      if (i % acknowledged_at_once == 0 && i > outstanding)
        check((*memory)->wait_visible(i - outstanding, 60s) == errc::ok);
    }
    check((*memory)->flush(60s) == errc::ok);
    row("acknowledged when durable, 20,000 outstanding",
        static_cast<double>(entries) / (bench::wall_ns() - begin) * 1e6, "k/s",
        "wanted >= 200");
    row("  segments written meanwhile",
        static_cast<double>((*memory)->stats().disk_flushes), "");
  }
  std::filesystem::remove_all(folder);
}

/// How long it takes until a snapshot has what was written, at 2,000 a second.
void measure_staleness() {
  memory_options options;
  auto memory = concurrent_memory::make(options);
  check(static_cast<bool>(memory));
  latency_recorder times;
  constexpr auto samples = 2000;
  std::mt19937_64 random{4};
  for (int i = 0; i < samples; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 1000});
    std::uint64_t sequence = 0;
    times.time([&] {
      check((*memory)->learn_concept(numbered(random() % 1000), {}, &sequence)
            == errc::ok);
      while ((*(*memory)->load())->sequence < sequence)
        std::this_thread::sleep_for(std::chrono::microseconds{50});
    });
  }
  row("staleness, interval 10 ms", times.lifetime(), "wanted p99 <= 12,000");
}

/// Keeps a thread on one core, so that what a core adds can be told.
void pin(unsigned core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(core % std::thread::hardware_concurrency(), &only);
  (void)::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
}

/// Writes with and without a reader beside them, each on a core of its own.
void measure_writes_beside_reads(concurrent_memory& memory) {
  std::mt19937_64 random{6};
  std::vector<concept_id> ids;
  {
    auto now = memory.load();
    check(static_cast<bool>(now));
    ids = random_ids(**now, 100'000, random);
  }
  auto writes = [&] {
    latency_recorder times;
    for (std::uint64_t i = 0; i < 300'000; ++i)
      times.time([&] {
        check(memory.strengthen(ids[i % ids.size()], 0.001F) == errc::ok);
      });
    check(memory.flush(60s) == errc::ok);
    return times.lifetime();
  };
  auto rest = writes();
  row("write, at rest", rest);
  std::atomic<bool> done{false};
  std::thread reader{[&] {
    pin(1);
    for (std::uint64_t i = 0; !done; ++i)
      check(find_concept(**memory.load(), ids[i % ids.size()]) != nullptr);
  }};
  auto burst = writes();
  done = true;
  reader.join();
  row("write, beside a full burst of reads", burst);
  row("  p99 to p99",
      static_cast<double>(burst.p99_ns) / static_cast<double>(rest.p99_ns), "x",
      "wanted <= 1.3");
}

/// Reads with and without a writer beside them.
void measure_interference(concurrent_memory& memory) {
  std::mt19937_64 random{3};
  auto first = memory.load();
  check(static_cast<bool>(first));
  auto ids = random_ids(**first, 100'000, random);
  auto type = *memory.types().find("hypernym");
  auto reads = [&] {
    latency_recorder times;
    for (std::uint64_t i = 0; i < 2'000'000; ++i)
      times.time([&] {
        auto now = memory.load();
        check(now && find_concept(**now, ids[i % ids.size()]) != nullptr);
      });
    return times.lifetime();
  };
  auto rest = reads();
  row("read, at rest", rest);
  std::atomic<bool> done{false};
  std::thread writer{[&] {
    pin(1);
    std::mt19937_64 chance{5};
    while (!done)
      check(memory.learn_association(
              {ids[chance() % ids.size()], ids[chance() % ids.size()], type})
            == errc::ok);
  }};
  auto burst = reads();
  done = true;
  writer.join();
  row("read, beside a full burst of writes", burst);
  row("  p99 to p99",
      static_cast<double>(burst.p99_ns) / static_cast<double>(rest.p99_ns), "x",
      "wanted <= 1.3");
  check(memory.flush(60s) == errc::ok);
}

/// The steps of the seed's demo.
void measure_bursts() {
  auto memory = concurrent_memory::make({});
  check(static_cast<bool>(memory));
  auto type = *(*memory)->types().intern("near");
  auto ms = [begin = bench::wall_ns()]() mutable {
    auto now = bench::wall_ns();
    return (now - std::exchange(begin, now)) / 1e6;
  };
  for (std::uint64_t i = 0; i < 1000; ++i)
    check((*memory)->learn_concept(numbered(i), {.content = "content"})
          == errc::ok);
  row("burst: 1,000 concepts", ms(), "ms", "wanted <= 0.2");
  for (std::uint64_t i = 0; i < 500; ++i)
    check((*memory)->learn_association({numbered(i), numbered(i + 1), type})
          == errc::ok);
  row("burst: 500 associations", ms(), "ms", "wanted <= 0.1");
  check((*memory)->flush(60s) == errc::ok);
  ms();
  auto now = (*memory)->load();
  for (std::uint64_t i = 0; i < 5000; ++i)
    (void)find_path(**now, *(*now)->find(numbered(i % 500)),
                    *(*now)->find(numbered(i % 500 + 3)), {});
  row("burst: 5,000 paths", ms(), "ms", "wanted <= 15");
  std::thread writer{[&] {
    for (std::uint64_t i = 1000; i < 1500; ++i)
      check((*memory)->learn_concept(numbered(i), {}) == errc::ok);
  }};
  for (std::uint64_t i = 0; i < 100'000; ++i)
    check(find_concept(**(*memory)->load(), numbered(i % 1000)) != nullptr);
  row("burst: 100,000 reads beside 500 writes", ms(), "ms", "wanted <= 10");
  writer.join();
}

// What is read goes to a memory without a folder.
class memory_learner final : public cli::concept_learner {
public:
  explicit memory_learner(concurrent_memory& memory) : memory_{memory} {
  }

  expected<association_type> type(std::string_view name,
                                  std::string_view phrase) override {
    return memory_.types().intern(name, phrase);
  }

  expected<void> learn_concept(const concept_id& id,
                               const concept_facts& facts) override {
    check(memory_.learn_concept(id, facts) == errc::ok);
    return {};
  }

  expected<void> learn_association(const association& what) override {
    check(memory_.learn_association(what) == errc::ok);
    return {};
  }

private:
  concurrent_memory& memory_;
};

void measure_wordnet() {
  auto memory = concurrent_memory::make({});
  check(static_cast<bool>(memory));
  auto begin = bench::wall_ns();
  memory_learner learner{**memory};
  auto learnt = cli::learn_wordnet(std::string{wordnet}, learner,
                                   [](std::uint64_t) { return true; });
  if (!learnt)
    give_up(learnt.error().message().c_str());
  check((*memory)->flush(60s) == errc::ok);
  row("WordNet, read and learnt", (bench::wall_ns() - begin) / 1e6, "ms");
  measure_load(**memory);
  std::mt19937_64 random{1};
  {
    auto now = (*memory)->load();
    check(static_cast<bool>(now));
    auto ids = random_ids(**now, 100'000, random);
    row("query_concept, WordNet", lookup_ns(**now, ids, 2'000'000), "ns",
        "wanted < 200");
    measure_paths(**now, random);
  }
  std::thread pinned{[&] {
    pin(0);
    measure_interference(**memory);
    measure_writes_beside_reads(**memory);
  }};
  pinned.join();
}

} // namespace

int main(int argument_count, char** arguments) {
  auto concepts = argument_count > 1 ? std::strtoull(arguments[1], nullptr, 10)
                                     : std::uint64_t{1'000'000};
  if (concepts < batch_entries)
    give_up("expected at least 10,000 concepts");
  bench::pointer_chase chase{std::size_t{256} << 20};
  auto miss = chase.measure_ns(0.5);
  row("a dependent miss, D", miss, "ns");
  measure_wordnet();
  measure_bursts();
  measure_durable();
  measure_staleness();
  for (auto producers : {1U, 2U, 16U})
    measure_writes(producers);
  std::mt19937_64 random{2};
  bare_graph large;
  auto begin = bench::wall_ns();
  large.grow(concepts, random);
  row("the generated graph, made in", (bench::wall_ns() - begin) / 1e9, "s");
  row("memory, generated graph",
      static_cast<double>(large.store.memory().used_bytes())
        / static_cast<double>(concepts),
      "B/concept");
  measure_publishes(large, concepts, random);
  for (auto held : {1, 10, 50})
    measure_versions(large, concepts, random, held);
  auto now = large.view.load();
  auto ids = random_ids(**now, 1'000'000, random);
  auto lookup = lookup_ns(**now, ids, 2'000'000);
  row("query_concept, generated graph", lookup, "ns");
  row("  in D", lookup / chase.measure_ns(0.5), "D", "wanted <= 2.5");
}
