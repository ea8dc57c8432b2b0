#include "actors/concept_service/lesson.hpp"
#include "actors/concept_service/question.hpp"
#include "storage/concept/concurrent_memory.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <memory>
#include <random>

using namespace neuroplex;
using namespace neuroplex::concept_service;
using namespace std::chrono_literals;
using concepts::association;
using concepts::concept_id;
using concepts::concurrent_memory;

namespace {

concept_id named(const std::string& name) {
  return concept_id::of_name(name);
}

/// dog -is-> animal <-is- cat, dog -chases-> cat.
lesson animals() {
  lesson_writer made;
  for (const auto* name : {"dog", "cat", "animal"})
    REQUIRE(made.learn_concept(named(name), {.content = name}) == errc::ok);
  auto chases = made.type("chases");
  auto is = made.type("is", "is a kind of");
  REQUIRE(is);
  for (const auto& each :
       {association{named("dog"), named("animal"), *is},
        association{named("cat"), named("animal"), *is},
        association{named("dog"), named("cat"), *chases, 0, 2}})
    REQUIRE(made.learn_association(each) == errc::ok);
  return made.take();
}

std::unique_ptr<concurrent_memory> taught(const lesson& what) {
  auto memory = concurrent_memory::make({});
  REQUIRE(memory);
  // Types have other numbers here than in the lesson.
  REQUIRE((*memory)->types().intern("older"));
  auto entries = read(what, (*memory)->types());
  REQUIRE(entries);
  for (auto& entry : *entries)
    REQUIRE((*memory)->write(entry) == errc::ok);
  REQUIRE((*memory)->flush(60s) == errc::ok);
  return std::move(*memory);
}

answer ask(const concurrent_memory& memory, const question& what) {
  auto now = memory.load("test");
  REQUIRE(now);
  return answer_to(what, **now, memory);
}

} // namespace

TEST_CASE("what a lesson says is learnt with the memory's own types",
          "[concept_service]") {
  auto memory = taught(animals());
  CHECK(memory->stats().concepts == 3);
  CHECK(memory->stats().edges == 3);
  auto near = ask(*memory, {.kind = question_kind::neighbors,
                            .names = {"cat"},
                            .way = concepts::direction::any});
  REQUIRE(near.status == errc::ok);
  REQUIRE(near.links.size() == 2);
  CHECK(near.concepts[0].name == "cat");
  for (const auto& link : near.links)
    CHECK(link.type == (link.source == 0 ? "is" : "chases"));
}

TEST_CASE("a writer of lessons refuses what can never be learnt",
          "[concept_service]") {
  lesson_writer made;
  CHECK(made.learn_association({named("a"), named("b"), 0})
        == errc::bad_argument);
  CHECK(made.type("").code() == errc::bad_argument);
  CHECK(made.decay(named("a"), 1.5F) == errc::bad_argument);
  CHECK(made.learn_concept(named("a"), {.strength = -1}) == errc::bad_argument);
  CHECK(made.count() == 0);
  CHECK(made.take().entries.empty());
}

TEST_CASE("a lesson whose bytes were changed is refused whole or can be learnt",
          "[concept_service]") {
  const auto good = animals();
  std::mt19937_64 random{6};
  int refused = 0;
  for (int round = 0; round < 3'000; ++round) {
    auto bad = good;
    if (round % 3 == 0)
      bad.entries.resize(random() % bad.entries.size());
    else
      bad.entries[random() % bad.entries.size()] = static_cast<char>(random());
    if (round % 7 == 0)
      bad.count = static_cast<std::uint32_t>(random() % 10);
    concepts::association_types types;
    auto entries = read(bad, types);
    if (entries) {
      for (const auto& entry : *entries)
        CHECK((entry.kind != concepts::entry_kind::learn_association
               || entry.type < types.size()));
      continue;
    }
    ++refused;
    CHECK(types.size() == 0);
  }
  CHECK(refused > 500);
}

TEST_CASE("paths are told with their links and as sentences",
          "[concept_service]") {
  auto memory = taught(animals());
  question way{.kind = question_kind::find_path, .names = {"dog", "cat"}};
  way.limit = 1;
  auto found = ask(*memory, way);
  REQUIRE(found.paths.size() == 1);
  CHECK(found.paths[0].links.size() == 1);
  CHECK(found.links[found.paths[0].links[0]].type == "chases");
  way.types = {"is"};
  way.way = concepts::direction::any;
  way.around = 10;
  found = ask(*memory, way);
  REQUIRE(found.paths.size() == 1);
  REQUIRE(found.paths[0].concepts.size() == 3);
  CHECK(found.paths[0].sentences.at(0) == "dog is a kind of animal.");
  // What is around the path comes behind it.
  CHECK(found.links.size() == 3);
  settle(found);
  CHECK(found.status == errc::ok);
  found.paths[0].links[1] = 3;
  settle(found);
  CHECK(found.status == errc::protocol);
  CHECK(found.concepts.empty());
}

TEST_CASE("each kind of question is answered, or told why not",
          "[concept_service]") {
  auto memory = taught(animals());
  auto what = ask(*memory, {.names = {"dog", "cat"}});
  REQUIRE(what.concepts.size() == 2);
  CHECK(what.concepts[1].content == "cat");
  CHECK(what.sequence == 6);
  CHECK(ask(*memory, {.names = {named("dog").to_string()}}).concepts.size()
        == 1);
  auto near = ask(*memory, {.kind = question_kind::subgraph, .names = {"dog"}});
  CHECK(near.concepts.size() == 3);
  CHECK(near.links.size() == 3);
  auto mind = ask(*memory, {.kind = question_kind::spread, .names = {"dog"}});
  REQUIRE(mind.concepts.size() == 2);
  CHECK(mind.concepts[0].score >= mind.concepts[1].score);
  auto text = ask(*memory, {.kind = question_kind::search_text, .text = "an"});
  REQUIRE(text.concepts.size() == 1);
  CHECK(text.concepts[0].name == "animal");

  lesson_writer more;
  const std::vector<float> one{1, 0};
  const std::vector<float> other{0, 1};
  REQUIRE(more.learn_concept(named("cow"), {.content = "cow", .vector = one})
          == errc::ok);
  REQUIRE(more.learn_concept(named("owl"), {.content = "owl", .vector = other})
          == errc::ok);
  auto entries = read(more.take(), memory->types());
  REQUIRE(entries);
  for (auto& entry : *entries)
    REQUIRE(memory->write(entry) == errc::ok);
  REQUIRE(memory->flush(60s) == errc::ok);
  auto like = ask(
    *memory,
    {.kind = question_kind::search_vector, .vector = {0.9F, 0.1F}, .limit = 1});
  REQUIRE(like.concepts.size() == 1);
  CHECK(like.concepts[0].name == "cow");
  // Who is named is not its own neighbour.
  auto near_cow =
    ask(*memory, {.kind = question_kind::search_vector, .names = {"cow"}});
  REQUIRE(near_cow.concepts.size() == 1);
  CHECK(near_cow.concepts[0].name == "owl");
  CHECK(ask(*memory, {.kind = question_kind::search_vector, .names = {"dog"}})
          .status
        == errc::wrong_type);

  CHECK(ask(*memory, {.names = {"horse"}}).status == errc::not_found);
  CHECK(ask(*memory, {.names = {"dog"}, .types = {"eats"}}).status
        == errc::not_found);
  for (const auto& wrong :
       {question{},
        question{.kind = static_cast<question_kind>(
                   concept_service::question_kind_count)},
        question{.kind = question_kind::find_path, .names = {"dog"}},
        question{.kind = question_kind::neighbors, .names = {"dog", "cat"}},
        question{.names = {"dog"}, .max_depth = 0},
        question{.names = {"dog"}, .max_ms = 0},
        question{.names = {"dog"}, .limit = 0},
        question{.kind = question_kind::spread, .names = {"dog"}, .decay = 1},
        question{.kind = question_kind::search_vector},
        question{.kind = question_kind::search_vector, .vector = {1, 2, 3}},
        question{.kind = question_kind::search_vector,
        .names = {"cow"},
        .vector = {1, 2}},
        question{.kind = question_kind::search_vector,
        .vector = {std::numeric_limits<float>::infinity()}}}) {
    auto told = ask(*memory, wrong);
    CHECK(told.status == errc::bad_argument);
    CHECK_FALSE(told.problem.empty());
  }
}

TEST_CASE("a digest tells graphs apart, and not the ways they were learnt",
          "[concept_service]") {
  const question whole{.kind = question_kind::digest};
  auto memory = taught(animals());
  auto digest = ask(*memory, whole).digest;
  CHECK(digest.size() == 32);
  lesson_writer other;
  auto is = other.type("is");
  auto chases = other.type("chases");
  for (const auto* name : {"animal", "cat", "dog"})
    REQUIRE(other.learn_concept(named(name), {.content = name}) == errc::ok);
  REQUIRE(other.learn_association({named("dog"), named("cat"), *chases, 0, 2})
          == errc::ok);
  for (const auto* name : {"cat", "dog"})
    REQUIRE(other.learn_association({named(name), named("animal"), *is})
            == errc::ok);
  auto elsewhere = taught(other.take());
  CHECK(ask(*elsewhere, whole).digest == digest);
  REQUIRE(elsewhere->strengthen(named("dog"), 1) == errc::ok);
  REQUIRE(elsewhere->flush(60s) == errc::ok);
  auto stronger = ask(*elsewhere, whole).digest;
  CHECK(stronger != digest);
  REQUIRE(elsewhere->decay(named("dog"), 0.5F) == errc::ok);
  REQUIRE(elsewhere->flush(60s) == errc::ok);
  CHECK(ask(*elsewhere, whole).digest == digest);
  auto chased = elsewhere->types().find("chases");
  REQUIRE(chased);
  REQUIRE(elsewhere->forget(association{named("dog"), named("cat"), *chased})
          == errc::ok);
  REQUIRE(elsewhere->flush(60s) == errc::ok);
  CHECK(ask(*elsewhere, whole).digest != digest);
  auto cut = whole;
  cut.max_visited = 2;
  CHECK(ask(*memory, cut).hit == concepts::bound_hit::visited);
}

TEST_CASE("an answer that grows too long leaves content out, then ends",
          "[concept_service]") {
  lesson_writer made;
  const std::string content(900'000, 'x');
  auto memory = concurrent_memory::make({});
  REQUIRE(memory);
  for (int i = 0; i < 12; ++i)
    REQUIRE(
      (*memory)->learn_concept(named(std::to_string(i)), {.content = content})
      == errc::ok);
  REQUIRE((*memory)->flush(60s) == errc::ok);
  auto found =
    ask(**memory, {.kind = question_kind::search_text, .text = "xx"});
  REQUIRE(found.concepts.size() == 12);
  CHECK_FALSE(found.concepts[0].content_left_out);
  CHECK(found.concepts[11].content_left_out);
}
