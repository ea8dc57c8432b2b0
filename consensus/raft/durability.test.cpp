#include "consensus/raft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

TEST_CASE("an old write never vouches for entries that replaced its own") {
  write_tracker tracker{10};
  auto first = tracker.begin(12);
  tracker.truncate(12);
  auto second = tracker.begin(12);
  CHECK(tracker.persisted(first));
  CHECK(tracker.durable_index() == 11);
  CHECK(tracker.persisted(second));
  CHECK(tracker.durable_index() == 12);
}

TEST_CASE("a write that never began is not believed") {
  write_tracker tracker{0};
  tracker.begin(3);
  CHECK_FALSE(tracker.persisted(2));
  CHECK(tracker.durable_index() == 0);
  CHECK(tracker.persisted(1));
  CHECK_FALSE(tracker.persisted(1));
}

TEST_CASE("a follower acknowledges entries when they are durable, those ones") {
  lone_core one{{}};
  one.hear(2, 1, append_request{0, 0, 0, {command(1, 1, "old")}});
  CHECK(one.out.messages.empty());
  auto old_write = one.writes.back().id;
  one.hear(3, 2, append_request{0, 0, 0, {command(2, 1, "new")}});
  CHECK(one.out.write->truncate_from == log_index{1});
  auto& out = one.give(persisted{old_write});
  CHECK(out.messages.empty());
  CHECK(one.state().durable_index == 0);
  auto freed = one.sync();
  auto answer = sent<append_reply>(freed, 3);
  REQUIRE(answer);
  CHECK(answer->index == 1);
  CHECK_FALSE(sent<append_reply>(freed, 2));
}

TEST_CASE("a vote leaves when it is durable, and so does a candidate's wish") {
  lone_core voter{{}};
  voter.hear(2, 5, vote_request{false, false, 0, 0});
  CHECK(voter.out.messages.empty());
  REQUIRE(voter.out.write);
  CHECK(voter.out.write->hard->term == 5);
  CHECK(voter.out.write->hard->vote == 2);
  CHECK(sent<vote_reply>(voter.sync(), 2)->granted);

  lone_core candidate{{.pre_vote = false}};
  candidate.give(campaign{});
  CHECK(candidate.out.messages.empty());
  CHECK(candidate.out.write->hard->vote == 1);
  CHECK(sent<vote_request>(candidate.sync(), 2));
}

TEST_CASE("the answer to a heartbeat of a new term waits for the term") {
  lone_core one{{}};
  one.hear(2, 3, heartbeat{0, 1});
  CHECK(one.out.messages.empty());
  CHECK(sent<heartbeat_reply>(one.sync(), 2));
}

TEST_CASE("a node whose disk failed says and does nothing any more") {
  lone_core one{{}};
  one.lead();
  one.give(propose{1, {slice::copy_of("a")}});
  one.give(raft::read{2});
  auto& out = one.give(persist_failed{});
  CHECK(out.messages.empty());
  CHECK(out.role->role == role::stopped);
  REQUIRE(out.answers.size() == 2);
  CHECK(out.answers[0].kind == answer_kind::outcome_unknown);
  CHECK(out.answers[1].kind == answer_kind::refused);
  // A sync that is tried again and succeeds changes nothing.
  CHECK(one.sync().empty());
  CHECK(one.hear(2, 9, vote_request{false, false, 99, 9}).messages.empty());
  CHECK(one.give(propose{3, {slice::copy_of("b")}}).answers[0].why
        == refusal::stopped);
  one.now += 1h;
  CHECK(one.give(tick{}).empty());
  CHECK(one.brain->next_deadline() == raft::time::max());
}

TEST_CASE("a node remembers its vote over a restart") {
  durable_state disk;
  disk.hard = {4, 2, 0};
  lone_core one{{}, disk};
  one.hear(3, 4, vote_request{false, false, 9, 3});
  CHECK_FALSE(sent<vote_reply>(one.out.messages, 3)->granted);
  one.hear(2, 4, vote_request{false, false, 9, 3});
  CHECK(sent<vote_reply>(one.out.messages, 2)->granted);
}

TEST_CASE("a durable state that contradicts itself is refused") {
  auto refused = [](durable_state disk) {
    return core::create({.id = 1}, std::move(disk), 0s).code() == errc::corrupt;
  };
  durable_state gap;
  gap.hard.term = 3;
  gap.log = {command(1, 1), command(1, 3)};
  CHECK(refused(gap));
  durable_state falling;
  falling.hard.term = 3;
  falling.log = {command(2, 1), command(1, 2)};
  CHECK(refused(falling));
  durable_state future;
  future.hard.term = 1;
  future.log = {command(2, 1)};
  CHECK(refused(future));
  durable_state hole;
  hole.hard.term = 1;
  hole.log = {command(1, 5)};
  CHECK(refused(hole));
}

TEST_CASE("a log that ends before the snapshot gives way to it at a restart") {
  durable_state disk;
  disk.hard = {3, nobody, 2};
  disk.snapshot.index = 10;
  disk.snapshot.term = 3;
  disk.snapshot.members = voters_of({1, 2, 3});
  disk.log = {command(1, 1), command(1, 2)};
  lone_core one{{}, disk};
  CHECK(one.state().last_index == 10);
  CHECK(one.state().commit == 10);
  REQUIRE(one.give(tick{}).write);
  CHECK(one.out.write->reset_to == log_index{10});
  auto& out =
    one.hear(2, 3, append_request{10, 3, 11, {command(3, 11, "next")}});
  REQUIRE(out.committed.size() == 1);
  CHECK(out.committed[0].index == 11);
}

TEST_CASE("a log of another history gives way to the snapshot at a restart") {
  durable_state disk;
  disk.hard = {3, nobody, 0};
  disk.snapshot.index = 2;
  disk.snapshot.term = 3;
  disk.snapshot.members = voters_of({1, 2, 3});
  disk.log = {command(1, 1), command(1, 2), command(1, 3)};
  lone_core one{{}, disk};
  CHECK(one.state().last_index == 2);
  CHECK(one.state().last_term == 3);
}

TEST_CASE("a log that goes on after the snapshot is kept at a restart") {
  durable_state disk;
  disk.hard = {3, nobody, 3};
  disk.snapshot.index = 2;
  disk.snapshot.term = 1;
  disk.snapshot.members = voters_of({1, 2, 3});
  disk.log = {command(1, 1), command(1, 2), command(3, 3)};
  lone_core one{{}, disk};
  CHECK(one.state().last_index == 3);
  CHECK(one.state().first_index == 2);
  auto& out = one.give(tick{});
  REQUIRE(out.committed.size() == 1);
  CHECK(out.committed[0].index == 3);
}
