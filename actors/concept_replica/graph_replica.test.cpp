// Graphs that several nodes teach, over replicas in virtual time.
#include "actors/concept_replica/graph_replica.hpp"
#include "actors/concept_service/lesson.hpp"
#include "actors/replica/fixture.test.hpp"
#include "storage/concept/query.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <tuple>

using namespace neuroplex;
using namespace neuroplex::concept_replica;
using namespace std::chrono_literals;
using concept_service::lesson_writer;
using concepts::concept_id;

namespace {

concept_id named(const std::string& name) {
  return concept_id::of_name(name);
}

/// What a graph holds, by ids and the names of types.
struct picture {
  std::map<concept_id, std::tuple<std::string, float, std::vector<float>>>
    concepts{};
  std::map<std::tuple<concept_id, concept_id, std::string, int>, float>
    associations{};

  friend bool operator==(const picture&, const picture&) = default;
};

picture picture_of(const concepts::concurrent_memory& memory) {
  picture result;
  auto now = memory.load("test");
  REQUIRE(now);
  const auto& in = **now;
  for (concepts::concept_slot slot = 0; slot < in.records.size(); ++slot) {
    const auto& record = in.records[slot];
    if (!record.in_use())
      continue;
    auto vector = record.vector();
    result.concepts[record.id] = {std::string{record.content()},
                                  record.strength,
                                  {vector.begin(), vector.end()}};
    for (const auto& each :
         neighbors(in, slot, {}, concepts::limits::max_results).found)
      result.associations[{record.id, in.records[each.by.other].id,
                           std::string{memory.types().name(each.by.type)},
                           each.by.qualifier}] = each.by.weight;
  }
  return result;
}

/// Nodes that teach one another.
class school {
public:
  explicit school(std::uint32_t count) : world_{count} {
    for (std::uint32_t id = 1; id <= count; ++id)
      enter(id);
  }

  replica::testing::world& world() {
    return world_;
  }

  graph_replica& at(std::uint32_t id) {
    return *pupils_.at(id).replica;
  }

  taught teach(std::uint32_t id, lesson_writer& lesson) {
    auto entries =
      concept_service::read(lesson.take(), pupils_.at(id).memory->types());
    REQUIRE(entries);
    auto result = at(id).teach(world_.at(id), world_.now(), *entries);
    world_.at(id).take_turn();
    return result;
  }

  /// One entry that is taken.
  template <class Write>
  void tell(std::uint32_t id, Write write) {
    lesson_writer lesson;
    write(lesson);
    auto result = teach(id, lesson);
    REQUIRE(result.status == errc::ok);
  }

  void learn(std::uint32_t id, const std::string& name, float strength = 1) {
    tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.learn_concept(named(name),
                                   {.content = name, .strength = strength})
              == errc::ok);
    });
  }

  void link(std::uint32_t id, const std::string& from, const std::string& to,
            float weight = 1) {
    tell(id, [&](lesson_writer& lesson) {
      auto type = lesson.type("likes", "is fond of");
      REQUIRE(
        lesson.learn_association({named(from), named(to), *type, 0, weight})
        == errc::ok);
    });
  }

  void strengthen(std::uint32_t id, const std::string& name, float amount) {
    tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.strengthen(named(name), amount) == errc::ok);
    });
  }

  void decay(std::uint32_t id, const std::string& name, float factor) {
    tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.decay(named(name), factor) == errc::ok);
    });
  }

  void forget(std::uint32_t id, const std::string& name) {
    tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.forget(named(name)) == errc::ok);
    });
  }

  /// What readers at a node see once they see all.
  picture shown(std::uint32_t id) {
    auto& pupil = pupils_.at(id);
    do {
      static_cast<void>(pupil.replica->catch_up());
      REQUIRE(pupil.memory->flush(60s) == errc::ok);
    } while (pupil.replica->unshown() != 0);
    return picture_of(*pupil.memory);
  }

  float strength(std::uint32_t id, const std::string& name) {
    auto all = shown(id);
    auto found = all.concepts.find(named(name));
    return found == all.concepts.end() ? -1 : std::get<1>(found->second);
  }

  void crash(std::uint32_t id, bool wiped) {
    pupils_.erase(id);
    world_.crash(id, wiped);
    enter(id);
  }

  /// Everybody has heard all, and all show the same.
  bool agree() {
    if (!world_.settle())
      return false;
    auto first = shown(1);
    for (const auto& [id, pupil] : pupils_)
      if (shown(id) != first)
        return false;
    return true;
  }

private:
  struct pupil {
    std::unique_ptr<concepts::concurrent_memory> memory;
    std::unique_ptr<graph_replica> replica;
  };

  void enter(std::uint32_t id) {
    concepts::memory_options options;
    options.interval = 1ms;
    auto memory = concepts::concurrent_memory::make(options);
    REQUIRE(memory);
    auto& made = pupils_[id];
    made.memory = std::move(*memory);
    // Numbers of types differ from node to node.
    for (std::uint32_t i = 0; i < id; ++i)
      REQUIRE(made.memory->types().intern("own-" + std::to_string(i)));
    // Little room, so that changes wait for readers.
    constexpr std::uint64_t room = 64;
    made.replica = std::make_unique<graph_replica>(world_.at(id).state(),
                                                   *made.memory, room);
    world_.at(id).watch(made.replica.get());
  }

  replica::testing::world world_;
  std::map<std::uint32_t, pupil> pupils_;
};

} // namespace

TEST_CASE("what is taught at one node is shown at all", "[concept_replica]") {
  school all{3};
  all.learn(1, "dog");
  all.learn(2, "cat");
  all.strengthen(1, "dog", 2);
  REQUIRE(all.agree());
  all.link(3, "dog", "cat", 4);
  REQUIRE(all.agree());
  for (std::uint32_t id : {1, 2, 3}) {
    auto there = all.shown(id);
    CHECK(there.concepts.size() == 2);
    CHECK(there.associations
          == decltype(there.associations){
            {{named("dog"), named("cat"), "likes", 0}, 4.0F}});
    CHECK(all.strength(id, "dog") == 3);
  }
  // Once a node knows it, it is as if it had been taught there.
  all.decay(3, "dog", 0.5F);
  all.tell(2, [](lesson_writer& lesson) {
    auto type = lesson.type("likes");
    REQUIRE(
      lesson.forget(concepts::association{named("dog"), named("cat"), *type})
      == errc::ok);
  });
  REQUIRE(all.agree());
  CHECK(all.strength(1, "dog") == 1.5F);
  CHECK(all.shown(1).associations.empty());
}

TEST_CASE("what is strengthened and weakened apart counts on both sides",
          "[concept_replica]") {
  school all{2};
  all.learn(1, "dog", 10);
  REQUIRE(all.agree());
  all.world().cut(1, 2);
  all.strengthen(1, "dog", 4);
  all.strengthen(1, "dog", 2);
  all.strengthen(2, "dog", 8);
  all.decay(2, "dog", 0.5F);
  CHECK(all.strength(1, "dog") == 16);
  CHECK(all.strength(2, "dog") == 9);
  all.world().heal();
  REQUIRE(all.agree());
  // (10 + 4 + 2 + 8) * 0.5: the decay weakens what it did not come before.
  CHECK(all.strength(1, "dog") == 12);

  all.world().cut(1, 2);
  all.decay(1, "dog", 0.5F);
  all.decay(2, "dog", 0.5F);
  all.world().heal();
  REQUIRE(all.agree());
  CHECK(all.strength(2, "dog") == 3);
  // After it was learnt again, nothing of that counts.
  all.learn(2, "dog", 7);
  all.strengthen(2, "dog", 1);
  REQUIRE(all.agree());
  CHECK(all.strength(1, "dog") == 8);
}

TEST_CASE("a strength of any size is kept", "[concept_replica]") {
  school all{2};
  all.learn(1, "dog", 1);
  for (auto i = 0; i < 40; ++i)
    all.decay(1, "dog", 1e-4F);
  CHECK(all.strength(1, "dog") == 0);
  all.strengthen(1, "dog", 3);
  CHECK(all.strength(1, "dog") == Approx(3));
  all.decay(1, "dog", 0);
  all.strengthen(1, "dog", 2);
  CHECK(all.strength(1, "dog") == 2);
  constexpr auto most = std::numeric_limits<float>::max();
  all.strengthen(1, "dog", most);
  all.strengthen(1, "dog", most);
  CHECK(all.strength(1, "dog") == most);
  CHECK(all.agree());
}

TEST_CASE("forgetting takes associations along, and knowing brings back those "
          "that were learnt meanwhile",
          "[concept_replica]") {
  school all{2};
  for (const auto* name : {"dog", "cat", "bird"})
    all.learn(1, name);
  all.link(1, "dog", "cat");
  all.link(1, "cat", "bird");
  all.link(1, "cat", "cat");
  REQUIRE(all.agree());
  all.world().cut(1, 2);
  all.forget(1, "cat");
  CHECK(all.shown(1).associations.empty());
  all.link(2, "bird", "cat", 5);
  all.world().heal();
  REQUIRE(all.agree());
  // One end is gone.
  CHECK(all.shown(2).concepts.size() == 2);
  CHECK(all.shown(2).associations.empty());
  all.learn(1, "cat");
  REQUIRE(all.agree());
  CHECK(all.shown(2).associations
        == decltype(picture::associations){
          {{named("bird"), named("cat"), "likes", 0}, 5.0F}});

  // Learnt while it is forgotten elsewhere, it stays.
  all.world().cut(1, 2);
  all.forget(1, "cat");
  all.learn(2, "cat", 6);
  all.world().heal();
  REQUIRE(all.agree());
  CHECK(all.strength(1, "cat") == 6);
  // Strengthened, it does not.
  all.world().cut(1, 2);
  all.forget(1, "cat");
  all.strengthen(2, "cat", 6);
  all.world().heal();
  REQUIRE(all.agree());
  CHECK(all.strength(2, "cat") == -1);
}

TEST_CASE("what fits nothing is refused and counted, and has no effect",
          "[concept_replica]") {
  school all{2};
  all.learn(1, "dog");
  const std::vector<float> two{1, 2};
  const std::vector<float> three{1, 2, 3};
  auto see = [&](std::uint32_t id, const std::string& name,
                 const std::vector<float>& vector) {
    all.tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.learn_concept(named(name), {.vector = vector})
              == errc::ok);
    });
  };
  all.link(1, "dog", "nobody");
  all.strengthen(1, "nobody", 1);
  all.forget(1, "nobody");
  see(1, "square", two);
  see(1, "cube", three);
  CHECK(all.at(1).refused() == 4);
  REQUIRE(all.agree());
  CHECK(all.shown(2).concepts.size() == 2);

  // Lengths that were learnt apart: concepts are kept, and a node shows the
  // vectors of the length that it met first.
  school apart{2};
  apart.world().cut(1, 2);
  auto learn_at = [&](std::uint32_t id, const std::string& name,
                      const std::vector<float>& vector) {
    apart.tell(id, [&](lesson_writer& lesson) {
      REQUIRE(lesson.learn_concept(named(name), {.vector = vector})
              == errc::ok);
    });
    static_cast<void>(apart.shown(id));
  };
  learn_at(1, "square", two);
  learn_at(2, "cube", three);
  apart.world().heal();
  REQUIRE(apart.world().settle());
  CHECK(apart.shown(1).concepts.size() == 2);
  CHECK(std::get<2>(apart.shown(1).concepts.at(named("cube"))).empty());
  CHECK(std::get<2>(apart.shown(2).concepts.at(named("square"))).empty());
  // After a start they go by what the replicas agree on.
  apart.crash(1, false);
  apart.crash(2, false);
  CHECK(apart.agree());
}

TEST_CASE("a concept that no replica can hold is refused before it is learnt",
          "[concept_replica]") {
  concepts::write_entry entry;
  const std::string long_text(concepts::limits::max_content_bytes, 'x');
  REQUIRE(make_learn_concept(named("essay"), {.content = long_text}, entry)
          == errc::ok);
  CHECK(check(entry) == errc::value_size);
  REQUIRE(make_learn_concept(named("note"), {.content = "short"}, entry)
          == errc::ok);
  CHECK(check(entry) == errc::ok);
}

TEST_CASE("facts that nobody can read are left out", "[concept_replica]") {
  school all{2};
  all.learn(1, "dog");
  all.learn(1, "cat");
  all.link(1, "dog", "cat");
  REQUIRE(all.agree());
  auto before = all.shown(2);
  auto how = all.world().at(2).writer(all.world().now());
  REQUIRE(how);
  using fields = std::array<std::pair<std::string, std::string>, 4>;
  const fields strange{
    {{"f", "no entry"}, {"s", "no life"}, {"a", "no target"}, {"", "no name"}}};
  REQUIRE(set_fields(*how, key_of(named("bird")), strange));
  REQUIRE(set_fields(*how, "elsewhere", strange));
  REQUIRE(
    set_fields(*how, key_of(named("dog")),
               fields{{{association_name({named("cat"), 0, "likes"}), "short"},
                       {association_name({named("cat"), 0, ""}), ""},
                       {"a", ""},
                       {association_name({named("bird"), 1, "likes"}),
                        encode(association_strength{})}}}));
  all.world().at(2).take_turn();
  REQUIRE(all.agree());
  before.associations.clear();
  CHECK(all.shown(1) == before);
}

TEST_CASE("nodes that are cut off, crash and lose their disks come to the same "
          "graph",
          "[concept_replica]") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    INFO("seed " << seed);
    std::mt19937 chance{seed};
    auto one_of = [&chance](unsigned count) { return chance() % count; };
    constexpr unsigned names = 8;
    auto name = [&] { return std::to_string(one_of(names)); };
    school all{3};
    for (auto step = 0; step < 120; ++step) {
      auto id = 1 + one_of(3);
      auto amount = static_cast<float>(1 + one_of(9));
      switch (one_of(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
          all.learn(id, name(), amount);
          break;
        case 4:
        case 5:
        case 6:
        case 7:
          all.link(id, name(), name(), amount);
          break;
        case 8:
        case 9:
          all.strengthen(id, name(), amount);
          break;
        case 10:
          all.decay(id, name(), 1 / amount);
          break;
        case 11:
          all.forget(id, name());
          break;
        case 12:
          all.world().cut(id, 1 + id % 3);
          break;
        case 13:
          all.world().heal();
          break;
        case 14:
          all.world().write(id);
          while (all.world().under_way() != 0)
            all.world().deliver(
              one_of(static_cast<unsigned>(all.world().under_way())));
          static_cast<void>(all.shown(id));
          break;
        case 15:
          if (one_of(4) == 0)
            all.crash(id, one_of(2) == 0);
          break;
      }
    }
    all.world().heal();
    REQUIRE(all.agree());
    CHECK(all.world().refusals.empty());
  }
}
