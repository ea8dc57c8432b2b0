#include "consensus/raft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

TEST_CASE("three nodes elect one leader by themselves, and keep it") {
  cluster all;
  for (node_id id : {1, 2, 3})
    all.add(id, voters_of({1, 2, 3}));
  all.pass(2s);
  auto leader = all.leader();
  REQUIRE(leader != nobody);
  auto term = all.at(leader).state().term;
  all.pass(10s);
  for (node_id id : {1, 2, 3}) {
    CHECK(all.at(id).state().leader == leader);
    CHECK(all.at(id).state().term == term);
  }
}

TEST_CASE("a single node elects itself when its vote is durable") {
  cluster all;
  all.add(1, voters_of({1}));
  all.nodes[1].storage.automatic = false;
  all.give(1, campaign{});
  CHECK(all.at(1).state().role == role::candidate);
  all.sync(1, 1);
  CHECK(all.at(1).state().role == role::leader);
  CHECK(all.at(1).state().commit == 0);
  all.sync(1);
  CHECK(all.at(1).state().commit == 1);
}

TEST_CASE("a new leader is found when the old one dies") {
  auto all = elected(3);
  all.crash(1);
  all.pass(3s);
  CHECK((all.leader() == 2 || all.leader() == 3));
}

TEST_CASE("a leader that hears from no majority steps down, its vote cast") {
  lone_core one{{}};
  one.lead();
  auto term = one.state().term;
  one.now += 1s;
  one.give(tick{});
  CHECK(one.state().role == role::follower);
  CHECK(one.state().term == term);
  CHECK(one.state().vote == 1);
  one.hear(2, term, vote_request{false, true, 99, term});
  CHECK_FALSE(sent<vote_reply>(one.out.messages, 2)->granted);
}

TEST_CASE("who cannot win does not put off the election of who can") {
  durable_state disk;
  disk.hard.term = 2;
  disk.log = {command(1, 1), command(2, 2)};
  lone_core one{{.pre_vote = false}, disk};
  auto deadline = one.brain->next_deadline();
  one.now += 10ms;
  one.hear(2, 5, vote_request{false, false, 1, 1});
  one.sync();
  CHECK(one.state().term == 5);
  CHECK(one.state().vote == nobody);
  CHECK(one.brain->next_deadline() == deadline);
}

TEST_CASE("a candidate that lost votes for nobody else in that term") {
  lone_core one{{.pre_vote = false}};
  one.give(campaign{});
  one.sync();
  auto term = one.state().term;
  for (node_id id : {2, 3})
    one.hear(id, term, vote_reply{false, false});
  CHECK(one.state().role == role::follower);
  one.hear(3, term, vote_request{false, false, 99, term});
  CHECK_FALSE(sent<vote_reply>(one.out.messages, 3)->granted);
}

TEST_CASE("grants of pre-votes are no votes, nor votes pre-votes") {
  lone_core one{{}};
  one.give(campaign{});
  REQUIRE(one.state().role == role::pre_candidate);
  one.hear(2, 1, vote_reply{true, true});
  REQUIRE(one.state().role == role::candidate);
  one.sync();
  one.hear(3, 2, vote_reply{true, true});
  one.hear(3, 1, vote_reply{true, true});
  CHECK(one.state().role == role::candidate);
  one.hear(3, 1, vote_reply{false, true});
  CHECK(one.state().role == role::leader);
}

TEST_CASE("a pre-vote changes neither term nor vote nor patience") {
  lone_core one{{}};
  auto deadline = one.brain->next_deadline();
  one.hear(2, 8, vote_request{true, false, 0, 0});
  CHECK(sent<vote_reply>(one.out.messages, 2)->granted);
  CHECK(one.state().term == 0);
  CHECK(one.state().vote == nobody);
  CHECK(one.brain->next_deadline() == deadline);
}

TEST_CASE("who has a leader elects no other, unless that leader asks for it") {
  lone_core one{{}};
  one.hear(2, 1, heartbeat{0, 1});
  one.sync();
  one.hear(3, 2, vote_request{false, false, 9, 1});
  CHECK(one.out.messages.empty());
  CHECK(one.state().term == 1);
  one.hear(3, 2, vote_request{false, true, 9, 1});
  CHECK(sent<vote_reply>(one.sync(), 3)->granted);
}

TEST_CASE("a candidate with an older log is refused") {
  durable_state disk;
  disk.hard.term = 2;
  disk.log = {command(1, 1), command(2, 2)};
  lone_core one{{}, disk};
  one.hear(2, 3, vote_request{false, false, 9, 1});
  CHECK_FALSE(sent<vote_reply>(one.sync(), 2)->granted);
  one.hear(3, 4, vote_request{false, false, 1, 2});
  CHECK_FALSE(sent<vote_reply>(one.sync(), 3)->granted);
  one.hear(3, 5, vote_request{false, false, 2, 2});
  CHECK(sent<vote_reply>(one.sync(), 3)->granted);
}

TEST_CASE("a learner never stands for election, but votes when it is asked") {
  durable_state disk;
  disk.snapshot.members = voters_of({2, 3}, {1});
  lone_core one{{}, disk};
  one.now += 1h;
  one.give(tick{});
  one.give(campaign{});
  CHECK(one.state().role == role::follower);
  CHECK(one.state().term == 0);
  one.hear(2, 1, vote_request{false, false, 0, 0});
  CHECK(sent<vote_reply>(one.sync(), 2)->granted);
}

TEST_CASE("a vote counts only from the disk that the configuration names") {
  lone_core one{{.pre_vote = false}};
  one.give(campaign{});
  one.sync();
  auto term = one.state().term;
  one.give(received{{2, 1, 1, term, vote_reply{false, true}}});
  CHECK(one.state().role == role::candidate);
  one.give(received{{3, 1, 0, term, vote_reply{false, true}}});
  CHECK(one.state().role == role::leader);
}

TEST_CASE("election timeouts are drawn anew from the seed") {
  options settings;
  std::set<raft::time> spans;
  lone_core one{settings};
  for (int i = 0; i < 20; ++i) {
    auto span = one.brain->next_deadline() - one.now;
    CHECK(span >= settings.election_timeout);
    CHECK(span < 2 * settings.election_timeout);
    spans.insert(span);
    one.now = one.brain->next_deadline();
    one.give(tick{});
  }
  CHECK(spans.size() > 10);
}

TEST_CASE("settings that cannot work are refused by name") {
  auto refused = [](options settings) {
    return settings.validate().code() == errc::config;
  };
  options good{.id = 1};
  CHECK(good.validate());
  CHECK(refused({}));
  CHECK(
    refused({.id = 1, .election_timeout = 100ms, .heartbeat_interval = 50ms}));
  CHECK(refused({.id = 1, .check_quorum = false, .lease_reads = true}));
  CHECK(refused({.id = 1, .max_inflight_messages = 0}));
  CHECK(validate_topology(1, voters_of({1, 2, 3})));
  CHECK(validate_topology(1, voters_of({1})));
  CHECK(validate_topology(1, voters_of({1, 2})).code() == errc::config);
  CHECK(validate_topology(4, voters_of({1, 2, 3})).code() == errc::config);
  CHECK(validate_topology(1, voters_of({1, 1, 3})).code() == errc::config);
  CHECK(validate_topology(1, voters_of({})).code() == errc::config);
}
