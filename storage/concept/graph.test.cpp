#include "storage/concept/graph.hpp"

#include "storage/concept/fixture.test.hpp"

#include <optional>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;

namespace {

/// A graph and a view of it without a log.
struct shown_graph {
  explicit shown_graph(std::uint64_t seed)
    : store{seed}, view{store.working()} {
  }

  void publish(std::uint64_t sequence = 0) {
    std::vector<retired_block> left;
    auto next = store.publish(sequence, 0, left);
    view.publish(next, std::move(left));
    view.reap(store);
  }

  errc learn(std::uint64_t number, std::string_view content = "x") {
    write_entry entry;
    REQUIRE(make_learn_concept(id_of(number), {.content = content}, entry)
            == errc::ok);
    return store.apply(entry, 0);
  }

  errc link(std::uint64_t from, std::uint64_t to, association_type type = 0) {
    write_entry entry;
    REQUIRE(make_learn_association({id_of(from), id_of(to), type}, entry)
            == errc::ok);
    return store.apply(entry, 0);
  }

  errc forget(std::uint64_t number) {
    write_entry entry;
    make_forget(id_of(number), entry);
    return store.apply(entry, 0);
  }

  graph store;
  read_view view;
};

} // namespace

TEST_CASE(
  "a graph does what a map of maps does, and snapshots stay as they were",
  "[graph]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 random{seed};
    shown_graph graph{seed};
    graph_model model;
    std::vector<std::pair<snapshot, graph_model>> held;
    auto concepts = 3 + random() % 300;
    for (int round = 0; round < 120; ++round) {
      for (auto i = random() % 100; i > 0; --i) {
        auto entry = random_entry(random, concepts);
        REQUIRE((graph.store.apply(entry, 0) == errc::ok)
                == model.apply(entry));
      }
      graph.publish();
      if (random() % 8 == 0)
        held.emplace_back(std::move(*graph.view.load()), model);
      if (!held.empty() && random() % 8 == 0)
        held.erase(held.begin()
                   + static_cast<std::ptrdiff_t>(random() % held.size()));
      if (round % 20 == 0)
        for (auto& [old, was] : held)
          require_same(*old, was);
    }
    require_same(**graph.view.load(), model);
    for (auto& [old, was] : held)
      require_same(*old, was);
    held.clear();
    graph.view.reap(graph.store);
    CHECK(graph.view.kept_versions() == 1);
    CHECK(graph.view.kept_bytes() == 0);
  }
}

TEST_CASE("memory of a version comes back when its last reader leaves",
          "[graph]") {
  shown_graph graph{1};
  for (std::uint64_t i = 0; i < 5000; ++i)
    REQUIRE(graph.learn(i) == errc::ok);
  graph.publish();
  auto before = graph.store.memory().used_bytes();
  {
    auto old = graph.view.load("a test");
    REQUIRE(old);
    for (std::uint64_t i = 0; i < 5000; ++i) {
      REQUIRE(graph.learn(i, "y") == errc::ok);
      if (i % 100 == 0)
        graph.publish(i);
    }
    graph.publish(5000);
    // The old one, and the newest.
    CHECK(graph.view.kept_versions() == 2);
    CHECK(graph.view.kept_bytes() > 0);
    CHECK(graph.store.memory().used_bytes() < 2 * before + before / 10);
    CHECK((*old)->records[17].content() == "x");
    auto holders = graph.view.holders();
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].who == "a test");
    CHECK(holders[0].sequence == 0);
  }
  graph.view.reap(graph.store);
  CHECK(graph.view.kept_versions() == 1);
  CHECK(graph.store.memory().used_bytes() == before);
}

TEST_CASE("a concept may have very many associations", "[graph]") {
  constexpr std::uint64_t fan = 3000;
  shown_graph graph{1};
  for (std::uint64_t i = 0; i <= fan; ++i)
    REQUIRE(graph.learn(i) == errc::ok);
  std::vector<std::uint64_t> order(fan);
  for (std::uint64_t i = 0; i < fan; ++i)
    order[i] = i + 1;
  std::mt19937_64 random{4};
  std::shuffle(order.begin(), order.end(), random);
  for (auto to : order) {
    REQUIRE(graph.link(0, to) == errc::ok);
    if (to % 16 == 0)
      graph.publish();
  }
  REQUIRE(graph.link(0, 0) == errc::ok); // and one to itself
  graph.publish();
  CHECK(read_all(graph.store.working()).links.size() == fan + 1);

  SECTION("one more costs little, whatever there is") {
    auto now = graph.view.load();
    auto before = graph.view.kept_bytes();
    REQUIRE(graph.link(0, 7, 1) == errc::ok);
    graph.publish();
    CHECK(graph.view.kept_bytes() - before < 16'384);
  }
  SECTION("forgotten, it takes all of them along") {
    REQUIRE(graph.forget(0) == errc::ok);
    graph.publish();
    CHECK(read_all(graph.store.working()).links.empty());
    CHECK(graph.forget(0) == errc::not_found);
  }
  SECTION("they go one by one too") {
    for (auto to : order) {
      write_entry entry;
      make_forget(association{id_of(0), id_of(to)}, entry);
      REQUIRE(graph.store.apply(entry, 0) == errc::ok);
      REQUIRE(graph.store.apply(entry, 0) == errc::not_found);
    }
    CHECK(read_all(graph.store.working()).links.size() == 1);
  }
}

TEST_CASE("what cannot be applied changes nothing and says why", "[graph]") {
  shown_graph graph{1};
  REQUIRE(graph.learn(1) == errc::ok);
  CHECK(graph.link(1, 2) == errc::not_found);
  CHECK(graph.link(2, 1) == errc::not_found);
  write_entry entry;
  std::vector<float> three{1, 2, 3};
  REQUIRE(make_learn_concept(id_of(1), {.vector = three}, entry) == errc::ok);
  REQUIRE(graph.store.apply(entry, 0) == errc::ok);
  std::vector<float> two{1, 2};
  write_entry other;
  REQUIRE(make_learn_concept(id_of(2), {.vector = two}, other) == errc::ok);
  CHECK(graph.store.apply(other, 0) == errc::wrong_type);
  CHECK(graph.store.working().concept_count == 1);
  CHECK(graph.store.working().association_count == 0);
}

TEST_CASE("numbers that mean nothing are refused before they are taken",
          "[graph]") {
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const auto infinite = std::numeric_limits<float>::infinity();
  write_entry entry;
  for (auto wrong : {nan, infinite, -infinite, -1.0F}) {
    CHECK(make_learn_concept(id_of(1), {.strength = wrong}, entry)
          == errc::bad_argument);
    CHECK(make_learn_association({id_of(1), id_of(2), 0, 0, wrong}, entry)
          == errc::bad_argument);
    CHECK(make_strengthen(id_of(1), wrong, entry) == errc::bad_argument);
    CHECK(make_decay(id_of(1), wrong, entry) == errc::bad_argument);
  }
  CHECK(make_learn_concept(id_of(1), {.confidence = 1.5F}, entry)
        == errc::bad_argument);
  std::vector<float> wrong{1, nan};
  CHECK(make_learn_concept(id_of(1), {.vector = wrong}, entry)
        == errc::bad_argument);
  std::vector<float> long_vector(concepts::limits::max_dimensions + 1);
  CHECK(make_learn_concept(id_of(1), {.vector = long_vector}, entry)
        == errc::value_size);
  std::string text(concepts::limits::max_content_bytes + 1, 'a');
  CHECK(make_learn_concept(id_of(1), {.content = text}, entry)
        == errc::value_size);
}

TEST_CASE("an id has one text, and a name one id", "[graph]") {
  auto id = concept_id::of_name("dog.n.01");
  CHECK(concept_id::parse(id.to_string()) == id);
  CHECK(concept_id::of_name("dog.n.01") == id);
  CHECK_FALSE(concept_id::of_name("dog.n.02") == id);
  std::array<std::uint8_t, 16> bytes{};
  bytes[0] = 0xAB;
  bytes[15] = 0x01;
  CHECK(concept_id::from_bytes(bytes).to_string()
        == "ab000000000000000000000000000001");
  CHECK_FALSE(concept_id::parse("ab"));
  CHECK_FALSE(concept_id::parse("zz000000000000000000000000000001"));
  CHECK_FALSE(concept_id::parse("-b000000000000000000000000000001"));
}
