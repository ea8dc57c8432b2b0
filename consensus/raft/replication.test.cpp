#include "consensus/raft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

namespace {

log_index propose_one(lone_core& one, std::string_view text = "x") {
  one.give(propose{1, {slice::copy_of(text)}});
  REQUIRE(one.out.answers.size() == 1);
  REQUIRE(one.out.answers[0].kind == answer_kind::accepted);
  return one.out.answers[0].index;
}

} // namespace

TEST_CASE("what is proposed is applied by all, in order") {
  auto all = elected(5);
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(std::to_string(i));
    all.propose_to(1, texts.back());
    all.deliver();
  }
  all.pass(1s);
  for (node_id id = 1; id <= 5; ++id)
    CHECK(all.commands(id) == texts);
}

TEST_CASE("a leader sends before its own disk is done, and counts it after") {
  lone_core one{{}};
  one.lead();
  auto index = propose_one(one);
  CHECK(sent<append_request>(one.out.messages, 2));
  one.hear(2, one.state().term, append_reply{false, index, 0, 0});
  CHECK(one.state().commit == index - 1);
  one.sync();
  CHECK(one.state().commit == index);

  index = propose_one(one);
  one.hear(2, one.state().term, append_reply{false, index, 0, 0});
  one.hear(3, one.state().term, append_reply{false, index, 0, 0});
  CHECK(one.state().commit == index);
}

TEST_CASE("entries of an older term are committed by one of the own only") {
  durable_state disk;
  disk.hard.term = 2;
  disk.log = {command(1, 1), command(2, 2)};
  lone_core one{{.pre_vote = false}, disk};
  one.give(campaign{});
  one.sync();
  one.hear(2, 3, vote_reply{false, true});
  REQUIRE(one.state().role == role::leader);
  one.sync();
  one.hear(2, 3, append_reply{false, 2, 0, 0});
  CHECK(one.state().commit == 0);
  one.hear(2, 3, append_reply{false, 3, 0, 0});
  CHECK(one.state().commit == 3);
}

TEST_CASE("appends are streamed within the window, and not beyond") {
  lone_core one{{.max_inflight_messages = 3}};
  one.lead();
  std::size_t to_two = 0;
  for (int i = 0; i < 10; ++i) {
    propose_one(one);
    to_two += sent<append_request>(one.out.messages, 2) ? 1 : 0;
  }
  CHECK(to_two == 3);
  auto match = one.state().commit + 1;
  one.hear(2, one.state().term, append_reply{false, match, 0, 0});
  auto next = sent<append_request>(one.out.messages, 2);
  REQUIRE(next);
  CHECK(next->entries.size() == 7);
}

TEST_CASE("one turn sends one append a peer for all that was proposed in it") {
  lone_core one{{}};
  one.lead();
  for (int i = 0; i < 10; ++i)
    one.brain->absorb(propose{1, {slice::copy_of("x"), slice::copy_of("y")}},
                      one.now);
  one.brain->flush(one.now, one.out);
  CHECK(one.out.messages.size() == 2);
  CHECK(sent<append_request>(one.out.messages, 2)->entries.size() == 20);
  CHECK(one.out.write->entries.size() == 20);
  CHECK(one.out.answers.size() == 10);
}

TEST_CASE("a large backlog is cut by count and bytes, but one entry goes") {
  lone_core one{{.max_append_bytes = 100, .max_append_entries = 4}};
  one.lead();
  propose_one(one, std::string(500, 'x'));
  CHECK(sent<append_request>(one.out.messages, 2)->entries.size() == 1);
  one.give(propose{1, std::vector<slice>(9, slice::copy_of("y"))});
  std::vector<std::size_t> sizes;
  for (const auto& what : one.out.messages)
    if (what.to == 2)
      sizes.push_back(std::get<append_request>(what.body).entries.size());
  CHECK(sizes == std::vector<std::size_t>{4, 4, 1});
}

TEST_CASE("a refusal that was overtaken changes nothing") {
  lone_core one{{}};
  one.lead();
  auto index = propose_one(one);
  auto term = one.state().term;
  one.hear(2, term, append_reply{false, index, 0, 0});
  one.hear(2, term, append_reply{true, index - 1, 0, 0});
  auto peer = one.state().peers[0];
  CHECK(peer.id == 2);
  CHECK(peer.match == index);
  CHECK(peer.next == index + 1);
  CHECK(peer.state == progress_state::replicate);
}

TEST_CASE("an append that was overtaken takes back nothing") {
  lone_core one{{}};
  one.hear(2, 1, append_request{0, 0, 2, {command(1, 1), command(1, 2)}});
  one.sync();
  one.hear(2, 1, append_request{0, 0, 0, {command(1, 1)}});
  CHECK(one.state().last_index == 2);
  CHECK(one.state().commit == 2);
  // One that contradicts what is committed comes from no correct leader.
  one.hear(2, 1, append_request{0, 0, 0, {command(1, 1, "other")}});
  CHECK(one.brain->log().at(1).data.view() == "x");
}

TEST_CASE("a follower says where the logs may agree, a term at a time") {
  durable_state disk;
  disk.hard.term = 3;
  for (log_index i = 1; i <= 100; ++i)
    disk.log.push_back(command(i <= 10 ? 1 : 2, i));
  lone_core one{{}, disk};
  one.hear(2, 5, append_request{80, 4, 0, {}});
  auto answer = sent<append_reply>(one.sync(), 2);
  REQUIRE(answer);
  CHECK(answer->rejected);
  CHECK(answer->hint_index == 80);
  CHECK(answer->hint_term == 2);
  one.hear(2, 5, append_request{80, 1, 0, {}});
  answer = sent<append_reply>(one.out.messages, 2);
  CHECK(answer->hint_index == 10);
  CHECK(answer->hint_term == 1);
}

TEST_CASE("a follower whose log went another way is corrected in few rounds") {
  auto all = elected(3);
  all.propose_to(1, "common");
  all.deliver();
  // The leader writes a long tail that nobody gets, and dies.
  auto alone = [](const message& what) { return what.from == 1; };
  for (int i = 0; i < 500; ++i)
    all.propose_to(1, "lost");
  all.deliver(alone);
  all.crash(1);
  all.pass(3s);
  auto second = all.leader();
  REQUIRE(second != nobody);
  for (int i = 0; i < 500; ++i)
    all.propose_to(second, "kept");
  all.deliver();
  all.start(1);
  std::size_t refusals = 0;
  all.pass(2s, [&](const message& what) {
    const auto* answer = std::get_if<append_reply>(&what.body);
    refusals += answer != nullptr && answer->rejected ? 1 : 0;
    return false;
  });
  CHECK(all.commands(1) == all.commands(second));
  CHECK(refusals < 10);
}

TEST_CASE("who loses the office says that outcomes are not known") {
  lone_core one{{}};
  one.lead();
  one.give(propose{41, {slice::copy_of("a")}});
  auto& out = one.hear(2, one.state().term + 1, heartbeat{0, 1});
  REQUIRE(out.answers.size() == 1);
  CHECK(out.answers[0].request == 41);
  CHECK(out.answers[0].kind == answer_kind::outcome_unknown);
  CHECK(one.give(propose{42, {slice::copy_of("b")}}).answers[0].leader == 2);
  CHECK(one.out.answers[0].why == refusal::not_leader);
}

TEST_CASE("proposals beyond the limits are refused") {
  lone_core one{{.max_uncommitted_bytes = 100, .max_payload_bytes = 60}};
  one.lead();
  auto ask = [&](std::size_t bytes) {
    return one.give(propose{1, {slice::copy_of(std::string(bytes, 'x'))}})
      .answers[0];
  };
  CHECK(ask(61).why == refusal::too_large);
  CHECK(ask(60).kind == answer_kind::accepted);
  CHECK(ask(60).why == refusal::too_much_in_flight);
  one.sync();
  one.hear(2, one.state().term,
           append_reply{false, one.state().last_index, 0, 0});
  CHECK(ask(60).kind == answer_kind::accepted);
  CHECK(one.give(propose{1, {}}).answers[0].why == refusal::too_large);
}

TEST_CASE("committed entries are handed out no faster than they are applied") {
  lone_core one{{.max_unapplied_entries = 2}};
  one.hear(
    2, 1,
    append_request{
      0, 0, 4, {command(1, 1), command(1, 2), command(1, 3), command(1, 4)}});
  CHECK(one.out.committed.size() == 2);
  CHECK(one.give(tick{}).committed.empty());
  CHECK(one.give(applied{1}).committed.size() == 1);
  CHECK(one.give(applied{3}).committed.size() == 1);
}

TEST_CASE("what no correct peer sends is dropped and counted") {
  lone_core one{{}};
  one.hear(2, 2, append_request{0, 0, 0, {command(1, 2)}}); // a gap
  one.hear(2, 2, append_request{0, 0, 0, {command(3, 1)}}); // beyond its term
  one.hear(2, 2, append_request{5, 2, 0, {command(1, 6)}}); // terms fall
  one.hear(
    2, 2,
    append_request{
      0, 0, 0, {{1, 1, entry_kind::configuration, slice::copy_of("rubbish")}}});
  one.give(received{{2, 9, 0, 2, heartbeat{}}}); // to somebody else
  one.give(received{{1, 1, 0, 2, heartbeat{}}}); // from oneself
  CHECK(one.state().odd_messages == 6);
  CHECK(one.state().last_index == 0);
}

TEST_CASE("lost messages delay, but lose nothing") {
  auto all = elected(3);
  int turn = 0;
  auto lossy = [&](const message&) { return ++turn % 3 == 0; };
  for (int i = 0; i < 50; ++i) {
    if (auto leader = all.leader(); leader != nobody)
      all.propose_to(leader, std::to_string(i));
    all.pass(50ms, lossy);
  }
  all.pass(3s);
  CHECK(all.commands(1) == all.commands(2));
  CHECK(all.commands(1) == all.commands(3));
  CHECK(all.commands(1).size() > 10);
}

TEST_CASE("a follower commits only what the append shows to be the same") {
  durable_state disk;
  disk.hard.term = 1;
  disk.log = {command(1, 1), command(1, 2, "of a dead leader")};
  lone_core one{{}, disk};
  one.hear(2, 2, append_request{0, 0, 2, {command(1, 1)}});
  CHECK(one.state().commit == 1);
}

TEST_CASE("refusals of what came too early do not breed streams") {
  lone_core one{{.max_append_entries = 1}};
  one.lead();
  auto term = one.state().term;
  auto match = one.state().last_index;
  one.hear(2, term, append_reply{false, match, 0, 0});
  for (int i = 0; i < 20; ++i)
    propose_one(one);
  // All twenty are under way; each that overtakes the first is refused.
  std::size_t sent_again = 0;
  for (log_index early = match + 2; early < match + 20; ++early) {
    one.hear(2, term, append_reply{true, early, match, term});
    sent_again += one.out.messages.size();
    one.hear(2, term, append_reply{false, match, 0, 0});
    sent_again += one.out.messages.size();
  }
  CHECK(sent_again > 0);
  CHECK(sent_again < 30);
  // With the next heartbeat it may go back again.
  one.now += 50ms;
  one.give(tick{});
  one.hear(2, term, append_reply{true, match + 2, match, term});
  CHECK(sent<append_request>(one.out.messages, 2)->prev_index == match);
}

TEST_CASE("a log that begins after the snapshot is said to do so") {
  durable_state disk;
  disk.hard.term = 2;
  disk.snapshot.index = 9;
  disk.snapshot.term = 2;
  disk.snapshot.members = voters_of({1, 2, 3});
  lone_core one{{}, disk};
  one.give(tick{});
  REQUIRE(one.out.write);
  CHECK(one.out.write->reset_to == 9);
}
