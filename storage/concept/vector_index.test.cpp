#include "storage/concept/vector_index.hpp"

#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/fixture.test.hpp"

#include <thread>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t dimensions = 18; // not a multiple of a part

/// Vectors around some centres, with lengths of their own.
std::vector<float> random_vector(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::mt19937_64 centre{random() % 20};
  auto length = 0.5F + static_cast<float>(random() % 100) / 100;
  std::vector<float> vector;
  for (std::size_t i = 0; i < dimensions; ++i)
    vector.push_back(length
                     * (normal(random) * 0.4F
                        + static_cast<float>(centre() % 1000) / 500 - 1));
  return vector;
}

/// A graph with vectors and a view of it, without a log.
struct vector_graph {
  graph store{3};
  read_view view{store.working()};
  std::mt19937_64 random{5};

  void learn(std::uint64_t begin, std::uint64_t end) {
    for (auto i = begin; i < end; ++i) {
      write_entry entry;
      auto vector = random_vector(random);
      REQUIRE(make_learn_concept(id_of(i), {.vector = vector}, entry)
              == errc::ok);
      REQUIRE(store.apply(entry, 0) == errc::ok);
    }
  }

  void forget(std::uint64_t number) {
    write_entry entry;
    make_forget(id_of(number), entry);
    REQUIRE(store.apply(entry, 0) == errc::ok);
  }

  void publish() {
    std::vector<retired_block> left;
    auto next = store.publish(0, 0, left);
    view.publish(next, std::move(left));
    view.reap(store);
  }

  expected<std::shared_ptr<const vector_index>> index(std::size_t least = 100) {
    std::atomic<bool> stop{false};
    return vector_index::make([this] { return view.load(); },
                              {.least_vectors = least, .sample_vectors = 1024},
                              stop);
  }
};

/// The share of the ten nearest that the index finds.
double recall_of(const vector_index& index, const graph_version& in,
                 vector_metric metric, std::mt19937_64& random) {
  constexpr int questions = 40;
  constexpr std::size_t wanted = 10;
  std::size_t right = 0;
  for (int i = 0; i < questions; ++i) {
    auto of = random_vector(random);
    auto exact = search_vector(in, of, metric, wanted, {}).found;
    auto found = index.search(in, of, metric, wanted, {}).found;
    REQUIRE(found.size() == exact.size());
    for (const auto& each : found)
      right +=
        std::any_of(exact.begin(), exact.end(),
                    [&](const vector_match& one) {
                      // A score is exact, whoever found it.
                      return one.slot == each.slot && one.score == each.score;
                    })
          ? 1
          : 0;
  }
  return static_cast<double>(right) / (questions * wanted);
}

} // namespace

TEST_CASE("an index finds nearly all of the nearest vectors, by both measures",
          "[vector_index]") {
  vector_graph graph;
  graph.learn(0, 2000);
  graph.publish();
  auto made = graph.index();
  REQUIRE(made);
  const auto& index = **made;
  CHECK(index.stats().vectors == 2000);
  CHECK(index.stats().recall >= 0.97);
  CHECK(index.stats().probes < index.stats().lists);
  CHECK(index.stats().code_bytes * 4 <= index.stats().plain_bytes);
  auto now = graph.view.load();
  REQUIRE(now);
  CHECK(recall_of(index, **now, vector_metric::cosine, graph.random) >= 0.9);
  CHECK(recall_of(index, **now, vector_metric::l2, graph.random) >= 0.9);
}

TEST_CASE("an index serves versions after it, with what they learnt and forgot",
          "[vector_index]") {
  vector_graph graph;
  graph.learn(0, 2000);
  graph.publish();
  auto made = graph.index();
  REQUIRE(made);
  const auto& index = **made;
  graph.learn(1900, 2100); // half of them known before, with other vectors
  for (std::uint64_t i = 0; i < 50; ++i)
    graph.forget(i);
  graph.learn(5000, 5010); // some take the places of those
  graph.publish();
  auto now = graph.view.load();
  REQUIRE(now);
  REQUIRE(index.unknown(**now) == 210);
  for (std::uint64_t number : {1950U, 2050U, 5005U}) {
    const auto* record = find_concept(**now, id_of(number));
    REQUIRE(record != nullptr);
    auto found =
      index.search(**now, record->vector(), vector_metric::l2, 5, {}).found;
    REQUIRE_FALSE(found.empty());
    CHECK((*now)->records[found[0].slot].id == id_of(number));
    CHECK(found[0].score < 0.01F);
    for (std::size_t i = 1; i < found.size(); ++i) {
      CHECK_FALSE(found[i].slot == found[i - 1].slot);
      CHECK((*now)->records[found[i].slot].in_use());
    }
  }
  // An older version is not one that it can serve.
  vector_graph other;
  CHECK_FALSE(index.unknown(other.store.working()));
}

TEST_CASE("a log of vectors that were learnt again and again begins anew",
          "[vector_index]") {
  vector_graph graph;
  graph.learn(0, 200);
  graph.publish();
  auto made = graph.index();
  REQUIRE(made);
  auto old = graph.view.load();
  REQUIRE(old);
  for (int round = 0; round < 50; ++round) {
    graph.learn(0, 200);
    graph.publish();
  }
  auto now = graph.view.load();
  REQUIRE(now);
  CHECK((*now)->vector_log.size() < 2 * 200 + 4096 + 200);
  CHECK_FALSE((*made)->unknown(**now));
  CHECK((*made)->unknown(**old) == 0);
  for (std::uint32_t i = 0; i < 200; ++i)
    CHECK((*old)->records[(*old)->vector_log[i]].in_use());
}

TEST_CASE("an index is not made of few vectors, nor when it is stopped",
          "[vector_index]") {
  vector_graph graph;
  CHECK(graph.index().code() == errc::not_found);
  graph.learn(0, 150);
  graph.publish();
  CHECK(graph.index(200).code() == errc::not_found);
  std::atomic<bool> stop{true};
  CHECK(vector_index::make([&] { return graph.view.load(); },
                           {.least_vectors = 100}, stop)
          .code()
        == errc::deadline);
  auto made = graph.index();
  REQUIRE(made);
  auto now = graph.view.load();
  std::vector<float> short_one(dimensions - 1);
  CHECK((*made)
          ->search(**now, short_one, vector_metric::cosine, 5, {})
          .found.empty());
  // Bounds hold here too.
  auto of = random_vector(graph.random);
  CHECK(
    (*made)->search(**now, of, vector_metric::cosine, 1, {.max_visited = 3}).hit
    == bound_hit::visited);
}

TEST_CASE("a memory makes an index beside its writers, and asks it",
          "[vector_index][threads]") {
  memory_options options;
  options.interval = 1ms;
  options.vectors.least_vectors = 1000;
  options.vectors.sample_vectors = 1024;
  auto made = concurrent_memory::make(options);
  REQUIRE(made);
  auto& memory = **made;
  std::mt19937_64 random{9};
  for (std::uint64_t i = 0; i < 1200; ++i) {
    auto vector = random_vector(random);
    REQUIRE(memory.learn_concept(id_of(i), {.vector = vector}) == errc::ok);
  }
  REQUIRE(memory.flush(60s) == errc::ok);
  while (memory.index_stats().vectors == 0)
    std::this_thread::yield();
  auto now = memory.load();
  REQUIRE(now);
  const auto* wanted = find_concept(**now, id_of(77));
  REQUIRE(wanted != nullptr);
  auto found = memory.nearest_vectors(**now, wanted->vector(),
                                      vector_metric::cosine, 3, {});
  REQUIRE(found.found.size() == 3);
  CHECK((*now)->records[found.found[0].slot].id == id_of(77));
}
