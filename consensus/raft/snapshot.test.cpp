#include "consensus/raft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

namespace {

// Node 3 misses what the others have compacted away.
cluster with_a_laggard(options base = {}) {
  base.kept_entries = 2;
  auto all = elected(3, 1, base);
  all.crash(3);
  for (int i = 0; i < 20; ++i) {
    all.propose_to(1, std::to_string(i));
    all.deliver();
  }
  REQUIRE(all.take_snapshot(1));
  REQUIRE(all.at(1).state().first_index > 15);
  all.start(3);
  return all;
}

snapshot_chunk chunk_at(log_index index, std::uint64_t offset, bool last) {
  snapshot_chunk chunk;
  chunk.meta.index = index;
  chunk.meta.term = 1;
  chunk.meta.members = voters_of({1, 2, 3});
  chunk.meta.bytes = 8;
  chunk.offset = offset;
  chunk.data = slice::copy_of("four");
  chunk.last = last;
  return chunk;
}

} // namespace

TEST_CASE(
  "a follower that lags behind the log gets a snapshot, then the rest") {
  auto all = with_a_laggard();
  all.pass(1s);
  CHECK(all.commands(3) == all.commands(1));
  CHECK(all.at(3).state().snapshot_index == all.at(1).state().snapshot_index);
  all.propose_to(1, "after");
  all.deliver();
  all.pass(200ms);
  CHECK(all.commands(3).back() == "after");
}

TEST_CASE("a snapshot whose chunks get lost goes on where it stood") {
  auto all = with_a_laggard();
  int chunks = 0;
  std::set<std::uint64_t> offsets;
  all.pass(2s, [&](const message& what) {
    const auto* chunk = std::get_if<snapshot_chunk>(&what.body);
    if (chunk == nullptr)
      return false;
    offsets.insert(chunk->offset);
    return ++chunks % 2 == 1;
  });
  CHECK(all.commands(3) == all.commands(1));
  CHECK(offsets == std::set<std::uint64_t>{0, 4, 8});
}

TEST_CASE("a node restarts from its snapshot and the log after it") {
  auto all = with_a_laggard();
  all.propose_to(1, "after");
  all.deliver();
  auto before = all.commands(1);
  all.crash(1);
  all.start(1);
  all.pass(3s);
  CHECK(all.commands(1) == before);
}

TEST_CASE("a snapshot is taken of what is applied, once") {
  auto all = elected(3);
  all.propose_to(1, "a");
  all.deliver();
  auto applied = all.at(1).state().applied;
  CHECK_FALSE(all.at(1).snapshot_meta_at(applied + 1));
  REQUIRE(all.at(1).snapshot_meta_at(applied));
  CHECK(all.take_snapshot(1));
  CHECK_FALSE(all.at(1).snapshot_meta_at(applied));
}

TEST_CASE("a snapshot says which configuration was in force at its index") {
  auto all = elected(3);
  all.propose_to(1, "a");
  all.deliver();
  auto index = all.at(1).state().applied;
  all.give(1, change_membership{1, {{change_kind::add_learner, 9, 0}}});
  auto meta = all.at(1).snapshot_meta_at(index);
  REQUIRE(meta);
  CHECK(meta->members == voters_of({1, 2, 3}));
  CHECK(all.at(1).state().members == voters_of({1, 2, 3}, {9}));
}

TEST_CASE("a snapshot never replaces a log that is as new") {
  lone_core one{{}};
  one.hear(
    2, 1,
    append_request{
      0, 0, 3, {command(1, 1), command(1, 2), command(1, 3), command(1, 4)}});
  one.sync();
  one.hear(2, 1, chunk_at(2, 0, true));
  CHECK_FALSE(one.out.store);
  CHECK(sent<snapshot_reply>(one.out.messages, 2)->installed);
  // Not committed here yet, but the same entry: then it is now.
  one.hear(2, 1, chunk_at(4, 0, true));
  CHECK_FALSE(one.out.store);
  CHECK(one.state().commit == 4);
  CHECK(one.state().last_index == 4);
}

TEST_CASE("an installed snapshot is acknowledged when the log is cut for it") {
  lone_core one{{}};
  one.hear(2, 1, chunk_at(10, 0, false));
  REQUIRE(one.out.store);
  one.sync();
  one.give(chunk_stored{10, 4});
  CHECK(sent<snapshot_reply>(one.out.messages, 2)->next_offset == 4);
  one.hear(2, 1, chunk_at(10, 0, false)); // twice
  CHECK_FALSE(one.out.store);
  CHECK(sent<snapshot_reply>(one.out.messages, 2)->next_offset == 4);
  one.hear(2, 1, chunk_at(10, 4, true));
  REQUIRE(one.out.store);
  one.give(chunk_stored{10, 8});
  REQUIRE(one.out.install);
  // Nothing else moves while it is installed.
  one.hear(2, 1, append_request{0, 0, 1, {command(1, 1)}});
  CHECK(one.state().last_index == 0);
  one.give(snapshot_installed{10});
  CHECK(one.out.messages.empty());
  CHECK(one.out.write->reset_to == log_index{10});
  CHECK(one.state().commit == 10);
  CHECK(one.state().members == voters_of({1, 2, 3}));
  CHECK(sent<snapshot_reply>(one.sync(), 2)->installed);
}

TEST_CASE("a snapshot that cannot be stored is asked for again") {
  lone_core one{{}};
  one.hear(2, 1, chunk_at(10, 0, true));
  one.sync();
  one.give(snapshot_failed{10});
  CHECK(sent<snapshot_reply>(one.out.messages, 2)->refused);
  one.hear(2, 1, chunk_at(10, 0, true));
  CHECK(one.out.store);
}

TEST_CASE("a leader whose snapshot is gone takes the next one") {
  auto all = with_a_laggard();
  all.now += 60ms;
  all.give(1, tick{});
  all.deliver([](const message& what) {
    return std::holds_alternative<snapshot_chunk>(what.body);
  });
  all.give(1, chunk_unavailable{3, all.at(1).state().snapshot_index});
  all.pass(1s);
  CHECK(all.commands(3) == all.commands(1));
}

TEST_CASE("a snapshot that the log overtook while it was stored is dropped") {
  lone_core one{{}};
  one.hear(2, 1, chunk_at(10, 0, true));
  REQUIRE(one.out.store);
  // A new leader, which does not know yet what is committed, was faster.
  append_request all;
  for (log_index i = 1; i <= 12; ++i)
    all.entries.push_back(command(1, i));
  one.hear(3, 2, all);
  REQUIRE(sent<append_reply>(one.sync(), 3)->index == 12);
  one.give(chunk_stored{10, 4});
  CHECK_FALSE(one.out.install);
  CHECK(one.state().last_index == 12);
}
