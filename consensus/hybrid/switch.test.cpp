#include "consensus/hybrid/cluster.fixture.test.hpp"

#include "consensus/raft/codec.hpp"

using namespace neuroplex;
using namespace neuroplex::hybrid;
using namespace neuroplex::hybrid::testing;

TEST_CASE("hybrid: a group begins with PBFT and goes over to Raft when all are "
          "trusted for long enough",
          "[hybrid]") {
  group all;
  CHECK(all.ask("a") == "a;");
  CHECK(all.where().how == mode::pbft);
  REQUIRE(all.reach(mode::raft));
  CHECK(all.where() == epoch_info{1, mode::raft, 1});
  CHECK(all.ask("b") == "a;b;");
  CHECK(all.ask("", true) == "a;b;");
  CHECK(all.at(1).state().position == 1);
  CHECK(all.at(1).state().running == 2);
}

TEST_CASE("hybrid: what Raft agreed on is there after its leader stopped",
          "[hybrid]") {
  group all;
  REQUIRE(all.reach(mode::raft));
  CHECK(all.ask("a") == "a;");
  CHECK(all.ask("b") == "a;b;");
  all.stop(1);
  CHECK(all.ask("c") == "a;b;c;");
  REQUIRE(all.reach(mode::raft, 3));
  CHECK(all.where().leader != 1);
  CHECK(all.ask("d") == "a;b;c;d;");
  all.start(1);
  REQUIRE(all.run([&] { return all.at(1).state().running == 4; }));
}

TEST_CASE("hybrid: one replica alone ends no epoch", "[hybrid]") {
  group all;
  REQUIRE(all.reach(mode::raft));
  all.feed(2, end_epoch{});
  CHECK_FALSE(all.run([&] { return all.where().how == mode::pbft; }, 5s));
  CHECK(all.at(2).state().suspects);
  all.feed(3, end_epoch{});
  CHECK(all.reach(mode::pbft));
}

TEST_CASE("hybrid: a leader that shows a follower another chain is left",
          "[hybrid]") {
  group all;
  REQUIRE(all.reach(mode::raft));
  CHECK(all.ask("a") == "a;");
  auto liar = keys_of(1);
  auto chain = all.at(4).state().accepted;
  // Replica 4 gets other entries from here on, which the leader signed.
  all.tamper = [&](pbft::packet& what) {
    if (what.to != 4 || pbft::claimed_sender(what.bytes.view()) != 1
        || !is_hybrid(what.bytes.view()))
      return true;
    auto read = decode_message(what.bytes);
    auto* said = read ? std::get_if<raft_message>(&read->body) : nullptr;
    auto inner = said != nullptr ? raft::decode_message(said->encoded)
                                 : expected<raft::message>{failure{errc::io}};
    auto* sent =
      inner ? std::get_if<raft::append_request>(&inner->body) : nullptr;
    if (sent == nullptr || sent->entries.empty()
        || sent->prev_index != chain.index)
      return true;
    auto last = chain.chain;
    for (auto& one : sent->entries) {
      one.kind = raft::entry_kind::nothing;
      one.data = {};
      last = chain_after(*liar, last, one);
    }
    said->by_leader = liar->sign(
      head_statement(7, said->epoch, {sent->entries.back().index, last}));
    std::string bytes;
    raft::encode_message(*inner, bytes);
    said->encoded = slice::copy_of(bytes);
    what.bytes = encode_message(*read);
    what.tag = liar->authenticate(4, what.bytes.view());
    return true;
  };
  CHECK(all.ask("b") == "a;b;");
  REQUIRE(all.reach(mode::pbft, 2));
  CHECK(all.at(2).state().lowest_trust < 0.8);
  CHECK(all.ask("c") == "a;b;c;");
  CHECK(all.where().how == mode::pbft);
}

TEST_CASE("hybrid: a leader that starts again does not lead the same epoch",
          "[hybrid]") {
  group all;
  REQUIRE(all.reach(mode::raft));
  CHECK(all.ask("a") == "a;");
  all.stop(1);
  all.start(1);
  CHECK(all.ask("b") == "a;b;");
  CHECK(all.where().epoch > 1);
}

TEST_CASE("hybrid: an epoch ends when it is full", "[hybrid]") {
  group all{4};
  REQUIRE(all.reach(mode::raft));
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += std::to_string(i) + ";";
    CHECK(all.ask(std::to_string(i)) == text);
  }
  CHECK(all.where().epoch > 1);
}

TEST_CASE("hybrid: all can stop at once, in any mode, and go on", "[hybrid]") {
  group all;
  CHECK(all.ask("a") == "a;");
  REQUIRE(all.reach(mode::raft));
  CHECK(all.ask("b") == "a;b;");
  for (int round = 0; round < 2; ++round) {
    for (node_id id = 1; id <= 4; ++id)
      all.stop(id);
    for (node_id id = 1; id <= 4; ++id)
      all.start(id);
    CHECK(all.ask("c" + std::to_string(round)).substr(0, 4) == "a;b;");
  }
  CHECK(all.ask("", true) == "a;b;c0;c1;");
}

TEST_CASE("hybrid: a group that could not bear a liar is refused", "[hybrid]") {
  auto settings = options_for(1);
  settings.agreement.replicas = {1, 2, 3};
  CHECK(settings.validate().error().code() == errc::config);
  settings = options_for(1);
  settings.raft.lease_reads = true;
  CHECK(settings.validate().error().code() == errc::config);
}
