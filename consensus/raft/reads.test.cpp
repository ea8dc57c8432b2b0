#include "consensus/raft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

namespace {

options with_leases() {
  return {.lease_reads = true, .max_clock_drift_ppm = 100'000};
}

std::uint64_t last_round(const lone_core& one) {
  auto beat = sent<heartbeat>(one.out.messages, 2);
  REQUIRE(beat);
  return beat->round;
}

bool answered(const effects& out, answer_kind kind) {
  return out.answers.size() == 1 && out.answers[0].kind == kind;
}

// A leader with a lease that began now.
lone_core leaseholder() {
  lone_core one{with_leases()};
  one.now += one.brain->settings().election_timeout;
  one.lead();
  one.give(raft::read{1});
  one.hear(2, one.state().term, heartbeat_reply{last_round(one)});
  REQUIRE(one.state().lease);
  return one;
}

} // namespace

TEST_CASE("a read is answered when a majority still knows the leader") {
  lone_core one{{}};
  one.lead();
  one.give(raft::read{7});
  CHECK(one.out.answers.empty());
  auto round = last_round(one);
  one.hear(2, one.state().term, heartbeat_reply{round - 1});
  CHECK(one.out.answers.empty());
  one.hear(2, one.state().term, heartbeat_reply{round});
  REQUIRE(answered(one.out, answer_kind::read_ready));
  CHECK(one.out.answers[0].index == one.state().commit);
}

TEST_CASE("a read that comes during a round waits for the next") {
  lone_core one{{}};
  one.lead();
  one.give(raft::read{1});
  auto round = last_round(one);
  one.give(raft::read{2});
  CHECK(one.out.messages.empty());
  one.hear(2, one.state().term, heartbeat_reply{round});
  REQUIRE(answered(one.out, answer_kind::read_ready));
  CHECK(one.out.answers[0].request == 1);
  one.hear(3, one.state().term, heartbeat_reply{last_round(one)});
  REQUIRE(answered(one.out, answer_kind::read_ready));
  CHECK(one.out.answers[0].request == 2);
}

TEST_CASE("a new leader answers no read before it committed in its term") {
  lone_core one{{.pre_vote = false}};
  one.give(campaign{});
  one.sync();
  one.hear(2, 1, vote_reply{false, true});
  REQUIRE(one.state().role == role::leader);
  one.give(raft::read{1});
  CHECK_FALSE(sent<heartbeat>(one.out.messages, 2));
  one.sync();
  one.hear(2, 1, append_reply{false, 1, 0, 0});
  one.hear(2, 1, heartbeat_reply{last_round(one)});
  REQUIRE(answered(one.out, answer_kind::read_ready));
  CHECK(one.out.answers[0].index == 1);
}

TEST_CASE("a deposed leader refuses the reads that wait") {
  lone_core one{{}};
  one.lead();
  one.give(raft::read{1});
  one.hear(2, one.state().term + 1, heartbeat{0, 1});
  CHECK(answered(one.out, answer_kind::refused));
}

TEST_CASE("a lease answers at once, and ends before any follower's promise") {
  auto one = leaseholder();
  one.give(raft::read{2});
  CHECK(answered(one.out, answer_kind::read_ready));
  const auto& settings = one.brain->settings();
  // A clock may be a tenth too slow here and a tenth too fast there.
  auto span = settings.lease_span();
  CHECK(span * 11 <= settings.election_timeout * 9);
  CHECK(span * 12 > settings.election_timeout * 9);
  one.now += span - 1ns;
  CHECK(one.give(raft::read{3}).answers.size() == 1);
  one.now += 1ns;
  CHECK(one.give(raft::read{4}).answers.empty());
}

TEST_CASE("a lease counts from when its round was sent, not answered") {
  lone_core one{with_leases()};
  one.now += one.brain->settings().election_timeout;
  one.lead();
  one.give(raft::read{1});
  auto round = last_round(one);
  one.now += one.brain->settings().lease_span();
  one.hear(2, one.state().term, heartbeat_reply{round});
  CHECK_FALSE(one.state().lease);
}

TEST_CASE("there is no lease once somebody was told to campaign") {
  auto one = leaseholder();
  one.give(transfer_leadership{9, 2});
  REQUIRE(sent<timeout_now>(one.out.messages, 2));
  CHECK(one.give(raft::read{2}).answers.empty());
  // The message may be slow: not even when the transfer has been given up.
  one.now += one.brain->settings().election_timeout;
  one.hear(2, one.state().term, heartbeat_reply{last_round(one)});
  one.give(tick{});
  CHECK(one.state().transfer_to == nobody);
  one.hear(2, one.state().term, heartbeat_reply{last_round(one)});
  CHECK_FALSE(one.state().lease);
}

TEST_CASE("a restarted node keeps the promise that it does not remember") {
  lone_core one{with_leases()};
  one.hear(2, 1, vote_request{false, false, 9, 1});
  CHECK(one.state().term == 0);
  one.now += one.brain->settings().election_timeout;
  one.hear(2, 1, vote_request{false, false, 9, 1});
  CHECK(sent<vote_reply>(one.sync(), 2)->granted);
}

TEST_CASE("a leadership goes over to who has everything") {
  auto all = elected(3);
  all.propose_to(1, "before");
  all.give(1, transfer_leadership{9, 3});
  CHECK(all.at(1).state().transfer_to == 3);
  auto request = all.propose_to(1, "meanwhile");
  CHECK(all.answers_to(1, request)[0].why == refusal::transferring);
  all.deliver();
  CHECK(all.leader() == 3);
  CHECK(all.answers_to(1, 9)[0].kind == answer_kind::transferred);
  CHECK(all.commands(3) == std::vector<std::string>{"before"});
}

TEST_CASE("a transfer to somebody who does not answer is given up") {
  auto all = elected(3);
  all.crash(3);
  all.propose_to(1, "a");
  all.give(1, transfer_leadership{9, 3});
  all.pass(1s);
  CHECK(all.leader() == 1);
  CHECK(all.answers_to(1, 9)[0].why == refusal::timed_out);
  all.give(1, transfer_leadership{10, 7});
  CHECK(all.answers_to(1, 10)[0].why == refusal::not_a_voter);
}

TEST_CASE("an answer to an older round does not confirm a read") {
  lone_core one{{}};
  one.lead();
  one.now += one.brain->settings().heartbeat_interval;
  one.give(tick{});
  auto older = last_round(one);
  one.give(raft::read{1});
  CHECK(last_round(one) > older);
  one.hear(2, one.state().term, heartbeat_reply{older});
  CHECK(one.out.answers.empty());
  one.hear(2, one.state().term, heartbeat_reply{older + 1});
  CHECK(answered(one.out, answer_kind::read_ready));
}

TEST_CASE("answers from before a change of membership confirm no read") {
  lone_core one{{}};
  one.lead();
  one.give(raft::read{1});
  auto before = last_round(one);
  one.give(change_membership{2, {{change_kind::add_learner, 4, 0}}});
  CHECK(last_round(one) > before);
  one.hear(2, one.state().term, heartbeat_reply{before});
  CHECK(one.out.answers.empty());
  one.hear(2, one.state().term, heartbeat_reply{before + 1});
  CHECK(answered(one.out, answer_kind::read_ready));
}
