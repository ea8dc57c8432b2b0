#include "actors/batch_split.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::actors;

TEST_CASE("every item comes back in its place, whatever the split") {
  std::mt19937_64 random{3};
  for (int round = 0; round < 200; ++round) {
    batch_request whole;
    auto items = 1 + random() % 100;
    for (std::size_t i = 0; i < items; ++i)
      whole.items.push_back({std::to_string(random() % 50), {}, 0});
    auto original = whole.items;
    auto groups = 1 + random() % 7;
    auto parts = split(std::move(whole), [&](std::string_view key) {
      return std::stoull(std::string{key}) % groups;
    });
    REQUIRE(parts.size() <= groups);
    batch_gathering gathering{items, parts.size()};
    for (auto& part : parts) {
      REQUIRE_FALSE(gathering.complete());
      batch_reply answer;
      for (auto& item : part.batch.items) {
        REQUIRE(std::stoull(item.key) % groups == part.group);
        answer.answers.push_back({errc::ok, item.key});
      }
      gathering.put(part.positions, std::move(answer));
    }
    REQUIRE(gathering.complete());
    auto answer = gathering.take();
    for (std::size_t i = 0; i < items; ++i)
      REQUIRE(answer.answers[i].value == original[i].key);
  }
}

TEST_CASE("a part that is refused, or answered short, fails its items only") {
  batch_gathering gathering{4, 3};
  gathering.put({0, 2}, {errc::unavailable, {}});
  gathering.put({1}, {errc::ok, {}});
  gathering.put({3}, {errc::ok, {{errc::ok, "value"}}});
  REQUIRE(gathering.complete());
  auto answer = gathering.take();
  CHECK(answer.status == errc::ok);
  CHECK(answer.answers[0].status == errc::unavailable);
  CHECK(answer.answers[1].status == errc::protocol);
  CHECK(answer.answers[2].status == errc::unavailable);
  CHECK(answer.answers[3].value == "value");
}
