#include "consensus/pbft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::pbft;
using namespace neuroplex::pbft::testing;

TEST_CASE("a stable checkpoint moves the water marks and frees what lies below",
          "[pbft]") {
  group four;
  for (int i = 0; i < 9; ++i)
    REQUIRE(four.ask("x"));
  for (auto& [id, one] : four.nodes) {
    CHECK(one.brain->state().stable == 8);
    CHECK(one.brain->state().slots <= 4);
    CHECK(one.disk.checkpoints.size() == 1);
  }
}

TEST_CASE("a replica that was away fetches the state, and a lying piece is "
          "found out",
          "[pbft]") {
  group four;
  four.stop(4);
  for (int i = 0; i < 9; ++i)
    REQUIRE(four.ask("x"));
  four.pass = [&](node_id from, const packet& what) {
    if (from != 1 || !std::holds_alternative<piece>(body_of(what)))
      return true;
    auto lie = std::get<piece>(body_of(what));
    lie.data = slice::copy_of("a lie");
    four.turn(what.to, received{four.forge(1, what.to, lie)});
    return false;
  };
  four.start(4);
  four.wait(2s);
  CHECK(four.nodes[4].state.text == four.nodes[1].state.text);
  CHECK(four.at(4).state().stable == 8);
  CHECK(four.at(4).state().transfers == 1);
  CHECK(four.at(4).misdeeds().count_of(1, misdeed::bad_piece) > 0);
}

TEST_CASE("a replica that is behind fetches a state, however fast the others "
          "make the next one",
          "[pbft]") {
  group four;
  four.stop(4);
  for (int i = 0; i < 9; ++i)
    REQUIRE(four.ask("x"));
  four.start(4);
  for (int i = 0; i < 20 && four.at(4).state().transfers == 0; ++i) {
    for (int checkpoint = 0; checkpoint < 4; ++checkpoint)
      REQUIRE(four.ask("x"));
    four.wait(50ms);
  }
  CHECK(four.at(4).state().transfers == 1);
}

TEST_CASE("what was fetched of a state that the others gave up is not fetched "
          "again",
          "[pbft]") {
  constexpr int pieces_a_round = 4;
  group four;
  four.stop(4);
  for (int i = 0; i < 30; ++i)
    REQUIRE(four.ask("sixteen bytes :)"));
  int left = 0;
  four.pass = [&](node_id, const packet& what) {
    return what.to != 4 || !std::holds_alternative<piece>(body_of(what))
           || left-- > 0;
  };
  four.start(4);
  for (int i = 0; i < 40 && four.at(4).state().transfers == 0; ++i) {
    left = pieces_a_round;
    for (int checkpoint = 0; checkpoint < 4; ++checkpoint)
      REQUIRE(four.ask("x"));
    four.wait(400ms);
  }
  CHECK(four.at(4).state().transfers == 1);
  four.pass = {};
  four.wait(2s);
  CHECK(four.nodes[4].state.text == four.nodes[1].state.text);
}

TEST_CASE("two signed states of one replica after one sequence number are "
          "evidence for anybody",
          "[pbft]") {
  group four;
  for (std::uint8_t fill = 1; fill <= 2; ++fill) {
    checkpoint what;
    what.sequence = 4;
    what.root.bytes.fill(fill);
    what.by = four.crypto_of(3)->sign(checkpoint_statement(7, 4, what.root));
    four.turn(1, received{four.forge(3, 1, what)});
  }
  REQUIRE(four.at(1).misdeeds().count_of(3, misdeed::conflicting_checkpoint)
          == 1);
  const auto& found = four.at(1).misdeeds().cases().back();
  CHECK(found.provable);
  for (const auto& bytes : {found.first, found.second}) {
    auto read = decode_message(bytes);
    REQUIRE(read);
    const auto& said = std::get<checkpoint>(read->body);
    CHECK(four.crypto_of(2)->is_signed(
      3, checkpoint_statement(7, said.sequence, said.root), said.by));
  }
}

TEST_CASE("a replica whose state went another way takes that of the quorum",
          "[pbft]") {
  group four;
  REQUIRE(four.ask("a"));
  four.nodes[3].state.text = "something else";
  for (int i = 0; i < 4; ++i)
    REQUIRE(four.ask("x"));
  four.wait(2s);
  CHECK(four.nodes[3].state.text == four.nodes[1].state.text);
  CHECK(four.at(3).misdeeds().count_of(3, misdeed::divergent_state) > 0);
}

TEST_CASE("a replica starts from its last checkpoint and goes on behind it",
          "[pbft]") {
  group four;
  for (int i = 0; i < 6; ++i)
    REQUIRE(four.ask("x"));
  for (node_id id = 1; id <= 4; ++id)
    four.stop(id);
  for (node_id id = 1; id <= 4; ++id)
    four.start(id);
  four.settle();
  REQUIRE(four.ask("y"));
  for (auto& [id, one] : four.nodes)
    CHECK(one.state.text == "x;x;x;x;x;x;y;");
}

TEST_CASE("a durable state that contradicts itself is refused", "[pbft]") {
  group four;
  durable_state state;
  state.stable.sequence = 4;
  auto made = core::create(options_for(1), four.crypto_of(1), state, 1s);
  REQUIRE_FALSE(made);
  CHECK(made.code() == errc::corrupt);
}
