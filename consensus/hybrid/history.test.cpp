#include "consensus/hybrid/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::hybrid;
using namespace neuroplex::hybrid::testing;

namespace {

/// Words about epoch 1 of a group of four, led by replica 1.
struct epoch_one {
  pbft::options group = options_for(2).agreement;
  std::shared_ptr<const crypto> keys = keys_of(2);
  epoch_rules rules{group, *keys, {1, mode::raft, 1}, {}};
  std::vector<head> chain{}; ///< by index

  epoch_one() {
    rules.start = chain_start(*keys, group.group, rules.where, {});
    chain.push_back({0, rules.start});
    for (log_index index = 1; index <= 8; ++index)
      chain.push_back(
        {index, chain_after(*keys, chain.back().chain, {1, index, {}, {}})});
  }

  stop stopped(node_id replica, const head& at) const {
    stop said{replica, 1, at, {}, {}};
    said.by_leader = keys_of(1)->sign(head_statement(group.group, 1, at));
    said.by = keys_of(replica)->sign(stop_statement(group.group, said));
    return said;
  }

  holding held(node_id replica, const head& at) const {
    holding said{replica, 1, at, {}};
    said.by = keys_of(replica)->sign(holding_statement(group.group, said));
    return said;
  }
};

} // namespace

TEST_CASE("history: the longest of a quorum's chains, if it is held",
          "[hybrid]") {
  epoch_one words;
  close_order order{
    1,
    {words.stopped(1, words.chain[3]), words.stopped(2, words.chain[5]),
     words.stopped(4, words.chain[4])},
    {words.held(2, words.chain[5]), words.held(3, words.chain[5])}};
  CHECK(choose_history(words.rules, order) == words.chain[5]);

  SECTION("not by fewer than a quorum") {
    order.stops.pop_back();
    CHECK_FALSE(choose_history(words.rules, order));
  }
  SECTION("not by one replica counted twice") {
    order.stops[2] = order.stops[1];
    CHECK_FALSE(choose_history(words.rules, order));
  }
  SECTION("not when it may be at one liar only") {
    order.holdings.pop_back();
    CHECK_FALSE(choose_history(words.rules, order));
  }
  SECTION("not by a word that another put in a replica's mouth") {
    order.stops[0].last = words.chain[2];
    CHECK_FALSE(choose_history(words.rules, order));
  }
  SECTION("not with a chain that the leader did not sign") {
    auto& said = order.stops[1];
    said.by_leader = keys_of(2)->sign(head_statement(7, 1, said.last));
    said.by = keys_of(2)->sign(stop_statement(7, said));
    CHECK_FALSE(choose_history(words.rules, order));
  }
  SECTION("not for another epoch") {
    order.epoch = 2;
    CHECK_FALSE(choose_history(words.rules, order));
  }
}

TEST_CASE("history: an epoch in which nothing was accepted needs nobody who "
          "holds it",
          "[hybrid]") {
  epoch_one words;
  close_order order{1,
                    {words.stopped(1, words.chain[0]),
                     words.stopped(2, words.chain[0]),
                     words.stopped(3, words.chain[0])},
                    {}};
  CHECK(choose_history(words.rules, order) == words.chain[0]);
}

TEST_CASE("history: a chain that nobody has is left out of an order",
          "[hybrid]") {
  epoch_one words;
  std::vector<stop> stops{
    words.stopped(1, words.chain[8]), words.stopped(2, words.chain[4]),
    words.stopped(3, words.chain[5]), words.stopped(4, words.chain[5])};
  std::vector<holding> holdings{words.held(3, words.chain[5])};
  CHECK_FALSE(compose_order(words.rules, stops, holdings));
  holdings.push_back(words.held(4, words.chain[5]));
  auto order = compose_order(words.rules, stops, holdings);
  REQUIRE(order);
  CHECK(choose_history(words.rules, *order) == words.chain[5]);
}

TEST_CASE("history: two histories of one leader never have the same chain",
          "[hybrid]") {
  auto keys = keys_of(1);
  digest start{};
  auto x = chain_after(*keys, start, {1, 1, {}, slice::copy_of("x")});
  CHECK(x != chain_after(*keys, start, {1, 1, {}, slice::copy_of("y")}));
  CHECK(x != chain_after(*keys, start, {2, 1, {}, slice::copy_of("x")}));
  CHECK(x != chain_after(*keys, x, {1, 1, {}, slice::copy_of("x")}));
}
