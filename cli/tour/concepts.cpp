// The part of the tour that learns and asks at once: whether one waits for the
// other.
#include "actors/concept_service/lesson.hpp"
#include "cli/concept/wordnet_learner.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <iterator>
#include <random>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace neuroplex::cli {

namespace {

using concepts::concurrent_memory;
using concepts::write_entry;
using clock = std::chrono::steady_clock;

constexpr std::size_t path_queries = 6'000;
constexpr std::size_t entries_a_burst = 2'000;
constexpr std::chrono::milliseconds burst_pause{20};
constexpr std::chrono::milliseconds visible_timeout{60'000};
constexpr std::chrono::microseconds staleness_pause{100};

// Puts all that is learnt into lessons, so that reading WordNet is not timed.
class lesson_collector final : public concept_learner {
public:
  expected<concepts::association_type> type(std::string_view name,
                                            std::string_view phrase) override {
    return writer_.type(name, phrase);
  }

  expected<void> learn_concept(const concepts::concept_id& id,
                               const concepts::concept_facts& facts) override {
    ids_.push_back(id);
    return added(writer_.learn_concept(id, facts));
  }

  expected<void> learn_association(const concepts::association& what) override {
    return added(writer_.learn_association(what));
  }

  [[nodiscard]] const std::vector<concepts::concept_id>& ids() const noexcept {
    return ids_;
  }

  // The entries for a memory with these types, in order.
  expected<std::vector<write_entry>> entries(concepts::association_types& to) {
    lessons_.push_back(writer_.take());
    std::vector<write_entry> all;
    for (const auto& each : lessons_) {
      auto some = read(each, to);
      if (!some)
        return some.error();
      std::move(some->begin(), some->end(), std::back_inserter(all));
    }
    lessons_.clear();
    return all;
  }

private:
  expected<void> added(errc code) {
    if (code != errc::ok)
      return code;
    if (writer_.full())
      lessons_.push_back(writer_.take());
    return {};
  }

  concept_service::lesson_writer writer_;
  std::vector<concept_service::lesson> lessons_;
  std::vector<concepts::concept_id> ids_;
};

// Learns entries in bursts, as long as there are some or until it is stopped.
class burst_learner {
public:
  burst_learner(concurrent_memory& memory, std::span<write_entry> entries)
    : memory_{memory}, entries_{entries} {
  }

  // Stops when all is learnt, or when `stop` says so.
  void run(const std::function<bool()>& stop) {
    while (!entries_.empty() && !stop() && refused_ == 0) {
      auto count = std::min(entries_a_burst, entries_.size());
      for (auto& entry : entries_.first(count)) {
        auto begun = clock::now();
        auto code = memory_.write(entry);
        writes.add(clock::now() - begun);
        refused_ += code == errc::ok ? 0 : 1;
      }
      auto accepted = clock::now();
      auto last = memory_.accepted_sequence();
      while (memory_.visible_sequence() < last
             && clock::now() - accepted < visible_timeout)
        std::this_thread::sleep_for(staleness_pause);
      staleness.add(clock::now() - accepted);
      entries_ = entries_.subspan(count);
      std::this_thread::sleep_for(burst_pause);
    }
  }

  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_;
  }
  [[nodiscard]] std::size_t left() const noexcept {
    return entries_.size();
  }

  latency_samples writes;
  latency_samples staleness;

private:
  concurrent_memory& memory_;
  std::span<write_entry> entries_;
  std::uint64_t refused_ = 0;
};

// Asks for paths between pairs of concepts, and times each question.
expected<std::uint64_t> ask_paths(const concurrent_memory& memory,
                                  std::span<const concepts::concept_id> ids,
                                  latency_samples& times) {
  std::mt19937_64 random{1};
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < path_queries; ++i) {
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while paths were asked for"};
    const auto& from = ids[random() % ids.size()];
    const auto& to = ids[random() % ids.size()];
    auto begun = clock::now();
    auto now = memory.load("tour");
    if (!now)
      return now.error();
    auto first = (*now)->find(from);
    auto last = (*now)->find(to);
    if (!first || !last)
      return failure{errc::corrupt, "a concept that was learnt is not known"};
    concepts::walk_options walk;
    walk.bounds.max_depth = 4;
    found += find_path(**now, *first, *last, walk).best.steps.empty() ? 0 : 1;
    times.add(clock::now() - begun);
  }
  return found;
}

std::string p99_of(const latency_summary& from) {
  return human_nanoseconds(from.p99_ns);
}

} // namespace

expected<void> tour::learn_concepts() {
  lesson_collector collected;
  auto read =
    learn_wordnet(options_.wordnet_directory, collected,
                  [](std::uint64_t) { return !interrupt_guard::requested(); });
  if (!read)
    return read.error();
  auto memory = concurrent_memory::make({});
  if (!memory)
    return memory.error();
  auto entries = collected.entries((*memory)->types());
  if (!entries)
    return entries.error();
  auto& figures = report_.concepts;
  const auto clock_cost = measure_clock_cost();
  const auto begun = clock::now();

  // All concepts and half of what joins them, so that there are paths.
  const auto known = read->concepts + (entries->size() - read->concepts) / 2;
  for (auto& entry : std::span{*entries}.first(known))
    if (auto code = (*memory)->write(entry); code != errc::ok)
      return code;
  if (auto seen = (*memory)->flush(visible_timeout); seen != errc::ok)
    return failure{seen, "concept memory does not show what it was taught"};
  figures.learn_seconds =
    std::chrono::duration<double>(clock::now() - begun).count();

  // Asking alone, learning alone, both at once.
  auto rest = std::span{*entries}.subspan(known);
  latency_samples reads_at_rest{path_queries};
  auto asked = ask_paths(**memory, collected.ids(), reads_at_rest);
  if (!asked)
    return asked.error();
  burst_learner alone{**memory, rest.first(rest.size() / 4)};
  alone.run(interrupt_guard::requested);
  burst_learner beside{**memory, rest.subspan(rest.size() / 4)};
  std::atomic<bool> done{false};
  latency_samples reads_in_burst{path_queries};
  {
    std::thread learner{[&] { beside.run([&] { return done.load(); }); }};
    asked = ask_paths(**memory, collected.ids(), reads_in_burst);
    done = true;
    learner.join();
  }
  if (!asked)
    return asked.error();
  figures.read_at_rest = reads_at_rest.summary(clock_cost);
  figures.read_in_burst = reads_in_burst.summary(clock_cost);
  figures.write_at_rest = alone.writes.summary(clock_cost);
  figures.write_in_burst = beside.writes.summary(clock_cost);
  figures.staleness = beside.staleness.summary();

  // What is left is learnt without a pause, and then all of it must be there.
  for (auto& entry : rest.last(beside.left()))
    if (auto code = (*memory)->write(entry); code != errc::ok)
      return code;
  if (auto seen = (*memory)->flush(visible_timeout); seen != errc::ok)
    return failure{seen, "concept memory does not show what it was taught"};
  auto stats = (*memory)->stats();
  figures.concepts = stats.concepts;
  figures.associations = stats.edges;
  if (alone.refused() + beside.refused() + stats.reconciler.entries_refused != 0
      || stats.concepts != read->concepts)
    return failure{errc::corrupt, "concept memory lost what it was taught"};
  tell("learn " + human_count(figures.concepts) + " concepts, "
       + human_count(figures.associations)
       + " associations; ask for paths at rest, then amid bursts of learning:");
  tell("  a path p99 " + p99_of(figures.read_at_rest) + ", amid "
       + p99_of(figures.read_in_burst) + "; a write p99 "
       + p99_of(figures.write_at_rest) + ", amid "
       + p99_of(figures.write_in_burst) + "; seen after "
       + p99_of(figures.staleness) + " (p99)");
  return (*memory)->close();
}

} // namespace neuroplex::cli
