#include "actors/dedup_table.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <random>

using namespace neuroplex;
using namespace neuroplex::actors;

namespace {

using verdict = dedup_table::verdict;

request_header header_of(std::uint64_t client, std::uint64_t sequence,
                         std::int64_t deadline_ms) {
  return {.id = {client, sequence}, .deadline_ms = deadline_ms};
}

reply numbered(std::int64_t number) {
  reply answer;
  answer.number = number;
  return answer;
}

} // namespace

TEST_CASE("a repeated id gets the first answer, another body a conflict") {
  dedup_table table;
  REQUIRE(table.find({1, 1}, 77, 0).what == verdict::fresh);
  table.remember(header_of(1, 1, 100), 77, numbered(5), 0);
  auto found = table.find({1, 1}, 77, 50);
  REQUIRE(found.what == verdict::repeat);
  CHECK(std::get<reply>(*found.recorded).number == 5);
  CHECK(table.find({1, 1}, 78, 50).what == verdict::conflict);
  CHECK(table.find({1, 2}, 77, 50).what == verdict::fresh);
  CHECK(table.find({2, 1}, 77, 50).what == verdict::fresh);
}

TEST_CASE("what had to be forgotten before its deadline is never taken for "
          "new") {
  dedup_table table{{.answers = 4, .clients = 8, .bytes = 1 << 20}};
  for (std::uint64_t i = 1; i <= 6; ++i) {
    REQUIRE(table.find({1, i}, i, 0).what == verdict::fresh);
    table.remember(header_of(1, i, 1'000), i, numbered(1), 0);
  }
  CHECK(table.size() == 4);
  CHECK(table.find({1, 1}, 1, 0).what == verdict::forgotten);
  CHECK(table.find({1, 2}, 2, 0).what == verdict::forgotten);
  CHECK(table.find({1, 3}, 3, 0).what == verdict::repeat);
}

TEST_CASE("answers go when their deadline is over") {
  dedup_table table;
  table.remember(header_of(1, 1, 100), 1, numbered(1), 0);
  table.remember(header_of(1, 2, 300), 2, numbered(2), 200);
  CHECK(table.size() == 1);
  CHECK(table.find({1, 2}, 2, 200).what == verdict::repeat);
}

TEST_CASE("more clients than fit are refused until others' deadlines are "
          "over") {
  dedup_table table{{.answers = 100, .clients = 2, .bytes = 1 << 20}};
  table.remember(header_of(1, 1, 100), 1, numbered(1), 0);
  table.remember(header_of(2, 1, 100), 1, numbered(1), 0);
  CHECK(table.find({3, 1}, 1, 50).what == verdict::full);
  table.remember(header_of(2, 2, 500), 1, numbered(1), 150);
  CHECK(table.find({3, 1}, 1, 150).what == verdict::fresh);
}

TEST_CASE("the bounds hold and no write is applied twice, whatever arrives") {
  std::mt19937_64 random{42};
  for (int round = 0; round < 50; ++round) {
    dedup_table::bounds bounds{.answers = 1 + random() % 50,
                               .clients = 1 + random() % 6,
                               .bytes = 200 + random() % 20'000};
    dedup_table table{bounds};
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> applied;
    std::int64_t now = 0;
    for (int step = 0; step < 2'000; ++step) {
      now += static_cast<std::int64_t>(random() % 3);
      request_id id{1 + random() % 8, 1 + random() % 200};
      // A request keeps its deadline however often it is sent.
      auto deadline = static_cast<std::int64_t>(id.sequence * 20);
      if (deadline < now)
        continue;
      auto found = table.find(id, id.sequence, now);
      auto seen = applied.contains({id.client, id.sequence});
      if (found.what == verdict::fresh) {
        REQUIRE_FALSE(seen);
        applied[{id.client, id.sequence}] = now;
        reply answer;
        answer.value.assign(random() % 500, 'x');
        table.remember(header_of(id.client, id.sequence, deadline), id.sequence,
                       answer, now);
      } else if (found.what == verdict::repeat) {
        REQUIRE(seen);
      } else {
        REQUIRE(found.what != verdict::conflict);
      }
      REQUIRE(table.size() <= bounds.answers);
      REQUIRE(table.bytes() <= bounds.bytes);
    }
  }
}

TEST_CASE("fingerprints tell bodies apart, and do not look at the header") {
  request base;
  base.op = operation::set;
  base.key = "ab";
  base.value = "c";
  auto other = base;
  other.header.deadline_ms = 99;
  CHECK(body_fingerprint(base) == body_fingerprint(other));
  other.key = "a";
  other.value = "bc";
  CHECK(body_fingerprint(base) != body_fingerprint(other));
  other = base;
  other.ttl_ms = 1;
  CHECK(body_fingerprint(base) != body_fingerprint(other));
  other = base;
  other.op = operation::append;
  CHECK(body_fingerprint(base) != body_fingerprint(other));
}
