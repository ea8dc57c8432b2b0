#include "consensus/raft/cluster.fixture.test.hpp"

#include "consensus/raft/codec.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

namespace {

refusal refused_change(cluster& all, node_id leader,
                       std::vector<member_change> changes) {
  auto request = ++all.requests;
  all.give(leader, change_membership{request, std::move(changes)});
  auto answers = all.answers_to(leader, request);
  return answers.empty() ? refusal::none : answers[0].why;
}

member_change voter(node_id id) {
  return {change_kind::add_voter, id, 0};
}

member_change learner(node_id id) {
  return {change_kind::add_learner, id, 0};
}

member_change gone(node_id id) {
  return {change_kind::remove, id, 0};
}

void settle(cluster& all) {
  all.deliver();
  all.pass(500ms);
}

} // namespace

TEST_CASE("a node joins as a learner and becomes a voter when it caught up") {
  auto all = elected(3);
  for (int i = 0; i < 20; ++i)
    all.propose_to(1, std::to_string(i));
  all.add(4, {});
  CHECK(refused_change(all, 1, {voter(4)}) == refusal::not_a_learner);
  CHECK(refused_change(all, 1, {learner(4)}) == refusal::none);
  CHECK(refused_change(all, 1, {voter(4)}) == refusal::change_in_progress);
  settle(all);
  CHECK(all.commands(4) == all.commands(1));
  CHECK_FALSE(all.at(4).state().voter);
  CHECK(refused_change(all, 1, {voter(4)}) == refusal::none);
  settle(all);
  CHECK(all.at(4).state().voter);
  CHECK(all.at(1).state().members.voters.size() == 4);
}

TEST_CASE("a learner that lags is not made a voter") {
  auto all = elected(3, 1, {.promotion_lag_entries = 5});
  all.add(4, {});
  all.crash(4);
  refused_change(all, 1, {learner(4)});
  settle(all);
  CHECK(refused_change(all, 1, {voter(4)}) == refusal::learner_behind);
}

TEST_CASE("learners are not waited for") {
  auto all = elected(3);
  all.add(4, {});
  all.add(5, {});
  refused_change(all, 1, {learner(4), learner(5)});
  settle(all);
  for (node_id id : {3, 4, 5})
    all.crash(id);
  all.propose_to(1, "still");
  settle(all);
  CHECK(all.commands(2) == std::vector<std::string>{"still"});
}

TEST_CASE("several voters change at once through a joint configuration") {
  auto all = elected(3, 1, {.voters_begin_as_learners = false});
  all.add(4, {});
  all.add(5, {});
  CHECK(refused_change(all, 1, {gone(2), gone(3), voter(4), voter(5)})
        == refusal::none);
  CHECK(all.at(1).state().members.joint());
  settle(all);
  for (node_id id : {1, 4, 5})
    CHECK(all.at(id).state().members == voters_of({1, 4, 5}));
  // Who was removed knows, and keeps still.
  CHECK_FALSE(all.at(2).state().voter);
  auto term = all.at(1).state().term;
  all.pass(5s);
  CHECK(all.at(1).state().term == term);
}

TEST_CASE("a leader that removes itself leads until that is committed") {
  auto all = elected(3);
  CHECK(refused_change(all, 1, {gone(1)}) == refusal::none);
  CHECK(all.at(1).state().role == role::leader);
  settle(all);
  CHECK(all.at(1).state().role == role::follower);
  all.pass(3s);
  CHECK((all.leader() == 2 || all.leader() == 3));
  CHECK(all.at(2).state().members == voters_of({2, 3}));
}

TEST_CASE("a change waits for the first commit of a new leader") {
  lone_core one{{.pre_vote = false}};
  one.give(campaign{});
  one.sync();
  one.hear(2, 1, vote_reply{false, true});
  REQUIRE(one.state().role == role::leader);
  one.give(change_membership{5, {learner(4)}});
  CHECK(one.out.answers.empty());
  CHECK(one.give(change_membership{6, {learner(5)}}).answers[0].why
        == refusal::no_commit_yet);
  one.sync();
  one.hear(2, 1, append_reply{false, 1, 0, 0});
  REQUIRE(one.out.answers.size() == 1);
  CHECK(one.out.answers[0].kind == answer_kind::accepted);
  CHECK(one.state().members.learners.size() == 1);
}

TEST_CASE("who was removed does not count for what comes after") {
  lone_core one{{}};
  one.lead();
  auto term = one.state().term;
  one.give(change_membership{1, {gone(3)}});
  one.sync();
  auto index = one.state().last_index;
  one.hear(3, term, append_reply{false, index, 0, 0});
  CHECK(one.state().commit == index - 1);
  one.hear(2, term, append_reply{false, index, 0, 0});
  CHECK(one.state().commit == index);
}

TEST_CASE("a joint configuration is left only when it is committed itself") {
  // A new leader finds one in its log of which it does not know that.
  durable_state disk;
  disk.hard.term = 1;
  auto joint = voters_of({1, 2, 3});
  joint.outgoing = voters_of({1, 4, 5}).voters;
  joint.auto_leave = true;
  disk.log = {{1, 1, entry_kind::configuration, encode_configuration(joint)}};
  disk.snapshot.members = voters_of({1, 4, 5});
  lone_core one{{.pre_vote = false}, disk};
  one.give(campaign{});
  one.sync();
  for (node_id id : {2, 4})
    one.hear(id, 2, vote_reply{false, true});
  REQUIRE(one.state().role == role::leader);
  one.sync();
  CHECK(one.state().last_index == 2);
  one.hear(2, 2, append_reply{false, 2, 0, 0});
  CHECK(one.state().last_index == 2);
  CHECK(one.state().commit == 0);
  one.hear(4, 2, append_reply{false, 2, 0, 0});
  CHECK(one.state().commit == 2);
  CHECK(one.state().last_index == 3);
  CHECK(one.state().members == voters_of({1, 2, 3}));
}

TEST_CASE("an election in a joint configuration needs both majorities") {
  durable_state disk;
  disk.snapshot.members = voters_of({1, 2, 3});
  disk.snapshot.members.outgoing = voters_of({1, 4, 5}).voters;
  lone_core one{{.pre_vote = false}, disk};
  one.give(campaign{});
  one.sync();
  for (node_id id : {2, 3})
    one.hear(id, 1, vote_reply{false, true});
  CHECK(one.state().role == role::candidate);
  one.hear(5, 1, vote_reply{false, true});
  CHECK(one.state().role == role::leader);
}

TEST_CASE("a configuration that is truncated is not in force any more") {
  lone_core one{{}};
  auto other = voters_of({1, 2, 3}, {4});
  one.hear(2, 1,
           append_request{
             0,
             0,
             0,
             {{1, 1, entry_kind::configuration, encode_configuration(other)}}});
  CHECK(one.state().members == other);
  REQUIRE(one.out.membership);
  CHECK_FALSE(one.out.membership->committed);
  one.hear(3, 2, append_request{0, 0, 1, {command(2, 1)}});
  CHECK(one.state().members == voters_of({1, 2, 3}));
  CHECK(one.out.membership);
}

TEST_CASE("who was removed may stand until the removal is committed") {
  durable_state disk;
  disk.hard = {1, nobody, 0};
  disk.snapshot.members = voters_of({1, 2, 3});
  disk.log = {
    {1, 1, entry_kind::configuration, encode_configuration(voters_of({2, 3}))}};
  lone_core one{{.pre_vote = false}, disk};
  one.give(campaign{});
  one.sync();
  one.hear(2, 2, vote_reply{false, true});
  CHECK(one.state().role == role::candidate);
  one.hear(3, 2, vote_reply{false, true});
  CHECK(one.state().role == role::leader);

  disk.hard.commit = 1;
  lone_core removed{{.pre_vote = false}, disk};
  removed.give(campaign{});
  CHECK(removed.state().role == role::follower);
}

TEST_CASE("a voter that lost its disk is none until it was a learner again") {
  auto all = elected(3);
  for (int i = 0; i < 10; ++i)
    all.propose_to(1, std::to_string(i));
  settle(all);
  // Node 3 comes back with nothing; its old vote and log are void.
  all.crash(3);
  all.nodes[3].storage.durable = {};
  all.nodes[3].snapshots.clear();
  all.nodes[3].settings.incarnation = 1;
  all.start(3);
  settle(all);
  CHECK(all.commands(3) == all.commands(1));
  CHECK_FALSE(all.at(3).state().voter);
  // It has everything, but is not counted: with node 2 gone nothing commits.
  all.crash(2);
  auto commit = all.at(1).state().commit;
  all.propose_to(1, "lonely");
  all.deliver();
  CHECK(all.at(1).state().commit == commit);
  all.start(2);
  all.pass(3s);
  auto leader = all.leader();
  REQUIRE(leader != nobody);
  CHECK(refused_change(all, leader, {voter(3)}) == refusal::not_a_learner);
  CHECK(refused_change(all, leader, {learner(3)}) == refusal::none);
  settle(all);
  CHECK(refused_change(all, leader, {voter(3)}) == refusal::none);
  settle(all);
  CHECK(all.at(3).state().voter);
  auto members = all.at(leader).state().members;
  CHECK(find_member(members.voters, 3)->incarnation == 1);
  all.crash(2);
  all.pass(3s);
  REQUIRE(all.leader() != nobody);
  commit = all.at(all.leader()).state().commit;
  all.propose_to(all.leader(), "counted");
  all.deliver();
  CHECK(all.at(all.leader()).state().commit > commit);
}

TEST_CASE("a joint configuration outlasts commits that come before its own") {
  lone_core one{{.voters_begin_as_learners = false}};
  one.lead();
  auto term = one.state().term;
  one.give(propose{1, {slice::copy_of("a")}});
  auto before = one.out.answers[0].index;
  one.give(change_membership{2, {voter(4), voter(5), gone(3)}});
  one.sync();
  REQUIRE(one.state().members.joint());
  // The command gets a majority of both, the change itself does not.
  for (node_id id : {2, 4})
    one.hear(id, term, append_reply{false, before, 0, 0});
  CHECK(one.state().commit == before);
  CHECK(one.state().members.joint());
  for (node_id id : {2, 4})
    one.hear(id, term, append_reply{false, before + 1, 0, 0});
  CHECK_FALSE(one.state().members.joint());
}

TEST_CASE("a learner whose disk was formatted late becomes a voter under it") {
  auto all = elected(3);
  all.add(4, {}, 77);
  CHECK(refused_change(all, 1, {learner(4)}) == refusal::none);
  settle(all);
  CHECK(refused_change(all, 1, {voter(4)}) == refusal::none);
  settle(all);
  CHECK(all.at(4).state().voter);
  CHECK(find_member(all.at(1).state().members.voters, 4)->incarnation == 77);
}
