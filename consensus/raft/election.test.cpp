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
