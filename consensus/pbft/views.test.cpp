#include "consensus/pbft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::pbft;
using namespace neuroplex::pbft::testing;

namespace {

digest digest_with(std::uint8_t fill) {
  digest of;
  of.bytes.fill(fill);
  return of;
}

view_change changed(node_id replica, std::vector<claim> prepared,
                    std::vector<claim> pre_prepared) {
  view_change what;
  what.replica = replica;
  what.view = 5;
  what.prepared = std::move(prepared);
  what.pre_prepared = std::move(pre_prepared);
  return what;
}

} // namespace

TEST_CASE("a group goes on without its primary", "[pbft]") {
  group four;
  REQUIRE(four.ask("a"));
  four.stop(1);
  CHECK(four.ask("b") == "4");
  CHECK(four.at(2).state().view == 1);
  for (node_id id = 2; id <= 4; ++id)
    CHECK(four.nodes[id].state.text == "a;b;");
}

TEST_CASE("seven replicas bear two primaries that are silent", "[pbft]") {
  group seven{7, 2};
  seven.stop(1);
  seven.stop(2);
  CHECK(seven.ask("a", false, 20s) == "2");
  CHECK(seven.at(3).state().view == 2);
}

TEST_CASE("what was executed anywhere keeps its place in the next view",
          "[pbft]") {
  group four;
  // Commits reach replica 2 alone, so that it alone executes.
  four.pass = [](node_id, const packet& what) {
    return what.to == 2 || !std::holds_alternative<commit>(body_of(what));
  };
  four.ask("a", false, 50ms);
  REQUIRE(four.nodes[2].state.text == "a;");
  four.stop(1);
  four.pass = {};
  REQUIRE(four.ask("b"));
  for (node_id id = 2; id <= 4; ++id)
    CHECK(four.nodes[id].state.text == "a;b;");
}

TEST_CASE("a new view without a quorum of view-changes is refused", "[pbft]") {
  group four;
  new_view what;
  what.view = 1;
  view_change own;
  own.replica = 2;
  own.view = 1;
  seal(own, 7, *four.crypto_of(2));
  what.proof = {own};
  seal(what, 7, *four.crypto_of(2));
  four.turn(3, received{four.forge(2, 3, what)});
  CHECK(four.at(3).state().view == 0);
  CHECK(four.at(3).misdeeds().count_of(2, misdeed::bad_new_view) == 1);
}

TEST_CASE("an old new-view takes nobody back to its view", "[pbft]") {
  group four;
  std::optional<packet> old;
  four.pass = [&](node_id, const packet& what) {
    if (what.to == 4 && std::holds_alternative<new_view>(body_of(what)) && !old)
      old = what;
    return true;
  };
  four.stop(1);
  REQUIRE(four.ask("a"));
  REQUIRE(old);
  four.start(1);
  four.wait(1s);
  four.stop(2);
  REQUIRE(four.ask("b", false, 20s));
  auto view = four.at(4).state().view;
  REQUIRE(view > 1);
  four.turn(4, received{*old});
  CHECK(four.at(4).state().view == view);
}

TEST_CASE("a replica that restarts keeps what it promised", "[pbft]") {
  group four;
  REQUIRE(four.ask("a"));
  for (node_id id = 1; id <= 4; ++id)
    four.stop(id);
  for (node_id id = 1; id <= 4; ++id)
    four.start(id);
  four.settle();
  CHECK(four.ask("b") == "4");
  for (auto& [id, one] : four.nodes)
    CHECK(one.state.text == "a;b;");
}

TEST_CASE("a claim that nobody supports does not hide one that is true",
          "[pbft]") {
  auto truth = digest_with(1);
  auto lie = digest_with(2);
  claim prepared{1, 2, truth};
  claim invented{1, 4, lie};
  std::vector<view_change> proofs{
    changed(1, {invented}, {invented}), changed(2, {prepared}, {prepared}),
    changed(3, {prepared}, {prepared}), changed(4, {}, {prepared})};
  auto start = choose_start(proofs, 3, 2, digest_with(0));
  REQUIRE(start);
  REQUIRE(start->chosen.size() == 1);
  CHECK(start->chosen[0].of == truth);
}

TEST_CASE("where a quorum prepared nothing stands the null request", "[pbft]") {
  auto nothing = digest_with(0);
  claim at_two{2, 1, digest_with(3)};
  std::vector<view_change> proofs{changed(1, {at_two}, {at_two}),
                                  changed(2, {at_two}, {at_two}),
                                  changed(3, {}, {})};
  auto start = choose_start(proofs, 3, 2, nothing);
  REQUIRE(start);
  REQUIRE(start->chosen.size() == 2);
  CHECK(start->chosen[0].of == nothing);
  CHECK(start->chosen[1].of == at_two.of);
}

TEST_CASE("while a claim can be neither true nor excluded, more view-changes "
          "are awaited",
          "[pbft]") {
  claim alone{1, 1, digest_with(3)};
  std::vector<view_change> proofs{changed(1, {alone}, {alone}),
                                  changed(2, {}, {}), changed(3, {}, {})};
  CHECK_FALSE(choose_start(proofs, 3, 2, digest_with(0)));
  proofs.push_back(changed(4, {}, {}));
  CHECK(choose_start(proofs, 3, 2, digest_with(0)));
}
