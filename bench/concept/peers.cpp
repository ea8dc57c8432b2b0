// The same learning, lookups and paths in concept memory, in SQLite (a
// recursive query) and in RocksDB (lists of neighbours under keys), in one run.
//
// WordNet is learnt in batches of 1,000; a batch can be seen, and with
// `durable` is on disk, before the next one begins. Then random concepts are
// looked up and paths of at most six associations are searched between random
// pairs. All must give the same answers.
//
// usage: bench_concept_peers [durable]
#include "bench/concept/peers.hpp"
#include "bench/memory/clock.hpp"
#include "cli/concept/wordnet_learner.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <unistd.h>

namespace neuroplex::bench {

void peers_give_up(std::string_view why) {
  std::fprintf(stderr, "bench_concept_peers: %.*s\n",
               static_cast<int>(why.size()), why.data());
  std::exit(1);
}

namespace {

using namespace neuroplex::concepts;
using namespace std::chrono_literals;

constexpr const char* wordnet = "/usr/share/wordnet";
constexpr std::size_t batch_items = 1000;
constexpr unsigned max_depth = 6;

void check(errc code) {
  if (code != errc::ok)
    peers_give_up(describe(code));
}

class concept_memory_store final : public graph_store {
public:
  explicit concept_memory_store(std::unique_ptr<concurrent_memory> memory)
    : memory_{std::move(memory)} {
    // Types have the numbers that the gatherer gave them, and are only numbers
    // here.
    for (std::size_t i = 0; i < concepts::limits::max_association_types; ++i)
      (void)memory_->types().intern("type " + std::to_string(i));
  }

  void learn(std::span<const plain_concept> batch) override {
    std::uint64_t last = 0;
    for (const auto& each : batch)
      check(memory_->learn_concept(each.id, {.content = each.content}, &last));
    check(memory_->wait_visible(last, 60s));
  }

  void learn(std::span<const association> batch) override {
    std::uint64_t last = 0;
    for (const auto& each : batch)
      check(memory_->learn_association(each, &last));
    check(memory_->wait_visible(last, 60s));
  }

  std::size_t content_bytes(const concept_id& id) override {
    return find_concept(**memory_->load(), id)->content().size();
  }

  int path_length(const concept_id& from, const concept_id& to,
                  unsigned depth) override {
    auto now = memory_->load();
    walk_options options;
    options.bounds.max_depth = depth;
    auto found =
      find_path(**now, *(*now)->find(from), *(*now)->find(to), options).best;
    return found.steps.empty() ? -1 : static_cast<int>(found.length());
  }

private:
  std::unique_ptr<concurrent_memory> memory_;
};

/// Keeps what is read, so that reading is not part of learning.
class gatherer final : public cli::concept_learner {
public:
  std::vector<plain_concept> concepts;
  std::vector<association> associations;

  expected<association_type> type(std::string_view name,
                                  std::string_view phrase) override {
    return types_.intern(name, phrase);
  }

  expected<void> learn_concept(const concept_id& id,
                               const concept_facts& facts) override {
    concepts.push_back({id, std::string{facts.content}});
    return {};
  }

  expected<void> learn_association(const association& what) override {
    associations.push_back(what);
    return {};
  }

private:
  association_types types_;
};

template <class Item>
double learn_all(graph_store& store, std::span<const Item> all) {
  auto begin = wall_ns();
  for (std::size_t at = 0; at < all.size(); at += batch_items)
    store.learn(all.subspan(at, std::min(batch_items, all.size() - at)));
  return static_cast<double>(all.size()) / (wall_ns() - begin) * 1e6;
}

/// What the steps answered; the same for all.
struct answers {
  std::uint64_t content_bytes = 0;
  std::vector<int> path_lengths;

  friend bool operator==(const answers&, const answers&) = default;
};

answers measure(const char* name, graph_store& store, const gatherer& graph) {
  answers result;
  auto concepts_rate =
    learn_all(store, std::span<const plain_concept>{graph.concepts});
  auto associations_rate =
    learn_all(store, std::span<const association>{graph.associations});
  std::mt19937_64 random{1};
  auto any = [&]() -> const concept_id& {
    return graph.concepts[random() % graph.concepts.size()].id;
  };
  constexpr int lookups = 100'000;
  auto begin = wall_ns();
  for (int i = 0; i < lookups; ++i)
    result.content_bytes += store.content_bytes(any());
  auto lookup_ns = (wall_ns() - begin) / lookups;
  constexpr std::size_t paths = 100;
  std::vector<double> times;
  for (std::size_t i = 0; i < paths; ++i) {
    const auto& from = any();
    const auto& to = any();
    begin = wall_ns();
    result.path_lengths.push_back(store.path_length(from, to, max_depth));
    times.push_back((wall_ns() - begin) / 1e3);
  }
  std::sort(times.begin(), times.end());
  std::printf("%-16s %9.1f %9.1f %9.0f %9.1f %9.1f\n", name, concepts_rate,
              associations_rate, lookup_ns, times[paths / 2],
              times[paths * 99 / 100]);
  return result;
}

int run(bool durable) {
  gatherer graph;
  auto learnt =
    cli::learn_wordnet(wordnet, graph, [](std::uint64_t) { return true; });
  if (!learnt)
    peers_give_up(learnt.error().message());
  std::string folder = std::filesystem::temp_directory_path()
                       / ("bench_concept_peers-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::printf("WordNet: %zu concepts, %zu associations, %s\n",
              graph.concepts.size(), graph.associations.size(),
              durable ? "each batch of 1,000 on disk"
                      : "in memory, nothing is flushed");
  std::printf("%-16s %9s %9s %9s %9s %9s\n", "", "learn", "learn", "look up",
              "path p50", "path p99");
  std::printf("%-16s %9s %9s %9s %9s %9s\n", "", "k/s", "assoc k/s", "ns", "us",
              "us");
  struct peer {
    const char* name;
    std::unique_ptr<graph_store> (*open)(const std::string&, bool);
  };
  std::vector<answers> given;
  for (auto [name, open] :
       {peer{"concept memory", open_concept_memory},
        peer{"SQLite", open_sqlite}, peer{"RocksDB", open_rocksdb}})
    given.push_back(measure(name, *open(folder, durable), graph));
  std::filesystem::remove_all(folder);
  auto found =
    std::count_if(given[0].path_lengths.begin(), given[0].path_lengths.end(),
                  [](int length) { return length >= 0; });
  std::printf("%td of %zu pairs have a path\n", found,
              given[0].path_lengths.size());
  for (const auto& each : given)
    if (each != given[0])
      peers_give_up("the stores do not answer alike");
  return 0;
}

} // namespace

std::unique_ptr<graph_store> open_concept_memory(const std::string& folder,
                                                 bool durable) {
  memory_options options;
  options.keep = durable ? durability::log : durability::none;
  auto memory = durable
                  ? concurrent_memory::open(folder + "/concepts", true, options)
                  : concurrent_memory::make(options);
  if (!memory)
    peers_give_up(memory.error().message());
  return std::make_unique<concept_memory_store>(std::move(*memory));
}

} // namespace neuroplex::bench

int main(int argument_count, char** arguments) {
  auto durable =
    argument_count > 1 && std::string_view{arguments[1]} == "durable";
  if (argument_count > 2 || (argument_count == 2 && !durable))
    neuroplex::bench::peers_give_up("expected \"durable\" or nothing");
  return neuroplex::bench::run(durable);
}
