#include "actors/greeting.hpp"

#include "consensus/placement/hash_slots.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::actors;
using Catch::Contains;

namespace {

acquaintance member(placement::replica_id id) {
  return {.cluster = "blue",
          .self = id,
          .incarnation = 10,
          .table = *placement::hash_slots::make({.shards = 12}, {1, 2, 3}),
          .bounds = {.message_bytes = 12 << 20,
                     .batch_keys = 1'024,
                     .frame_bytes = 16 << 20,
                     .heartbeat_ms = 250,
                     .connection_timeout_ms = 1'000},
          .seen = {}};
}

} // namespace

TEST_CASE("members of one cluster with one table accept each other") {
  CHECK(judge(member(1), member(2).introduce(0)));
  CHECK(judge(member(2), member(1).introduce(0)));
}

TEST_CASE("a node that cannot belong is refused with both sides named") {
  auto us = member(1);
  auto who = member(2).introduce(0);

  SECTION("another protocol") {
    who.version = 99;
    auto verdict = judge(us, who);
    CHECK(verdict.code() == errc::version);
    CHECK_THAT(verdict.error().message(), Contains("99") && Contains("1"));
  }
  SECTION("another cluster") {
    who.cluster = "green";
    auto verdict = judge(us, who);
    CHECK(verdict.code() == errc::denied);
    CHECK_THAT(verdict.error().message(),
               Contains("\"green\"") && Contains("\"blue\""));
  }
  SECTION("our own replica id") {
    who.replica_id = 1;
    CHECK(judge(us, who).code() == errc::conflict);
  }
  SECTION("an id that is no member") {
    who.replica_id = 4;
    CHECK(judge(us, who).code() == errc::denied);
  }
  SECTION("another table") {
    who.placement_fingerprint ^= 1;
    CHECK(judge(us, who).code() == errc::conflict);
  }
  SECTION("an older incarnation of a replica that was met") {
    us.seen[2] = 11;
    auto verdict = judge(us, who);
    CHECK(verdict.code() == errc::conflict);
    CHECK_THAT(verdict.error().message(), Contains("10") && Contains("11"));
    us.seen[2] = 10;
    CHECK(judge(us, who));
  }
}

TEST_CASE("nodes whose bounds do not go together refuse each other") {
  auto us = member(1);
  auto them = member(2);

  SECTION("messages longer than our frames") {
    us.bounds.message_bytes = 3 << 20;
    us.bounds.frame_bytes = 4 << 20;
    auto verdict = judge(us, them.introduce(0));
    CHECK(verdict.code() == errc::conflict);
    CHECK_THAT(verdict.error().message(),
               Contains("12582912") && Contains("4194304")
                 && Contains("tunnel.max_frame_bytes"));
    us.bounds.frame_bytes = 0; // no tunnel
    CHECK(judge(us, them.introduce(0)));
  }
  SECTION("heartbeats too rare for our patience") {
    them.bounds.heartbeat_ms = 501;
    auto verdict = judge(us, them.introduce(0));
    CHECK(verdict.code() == errc::conflict);
    CHECK_THAT(verdict.error().message(), Contains("501") && Contains("1000"));
    them.bounds.heartbeat_ms = 500;
    CHECK(judge(us, them.introduce(0)));
  }
  SECTION("limits that no node has") {
    auto who = them.introduce(0);
    who.bounds.message_bytes = 0;
    CHECK(judge(us, who).code() == errc::protocol);
    who.bounds.message_bytes = ~std::uint64_t{0};
    CHECK(judge(us, who).code() == errc::protocol);
    who = them.introduce(0);
    who.bounds.batch_keys = 0;
    CHECK(judge(us, who).code() == errc::protocol);
  }
}

TEST_CASE("between nodes of different limits the lower one holds") {
  auto us = member(1);
  auto them = member(2);
  them.bounds.batch_keys = 16;
  them.bounds.message_bytes = 64 << 10;
  REQUIRE(judge(us, them.introduce(0)));
  REQUIRE(judge(them, us.introduce(0)));
  message_limits ours{.batch_keys = 8, .message_bytes = 12 << 20};
  auto between = lower(ours, them.bounds);
  CHECK(between.batch_keys == 8);
  CHECK(between.message_bytes == 64 << 10);
}

TEST_CASE("a clock that leads is told from one that the messages delayed") {
  hello who;
  who.clock_ms = 5'010;
  CHECK(clock_lead(who, 1'000, 1'020) == 4'000);
  who.clock_ms = 1'012;
  CHECK(clock_lead(who, 1'000, 1'020) == 0);
  who.clock_ms = 10;
  CHECK(clock_lead(who, 1'000, 1'020) == -1'000);
}
