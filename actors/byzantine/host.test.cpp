#include "actors/byzantine/host.hpp"

#include "actors/agreement/node_fixture.test.hpp"
#include "memory/eventually.test.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

using namespace neuroplex;
using namespace neuroplex::byzantine;
using memory::testing::eventually;

namespace {

using kind = store_machine::operation_kind;
using test_node = agreement::testing::node_of<host, host_options>;

class test_group {
public:
  explicit test_group(agreement::protocol how, std::size_t count = 4) {
    std::vector<raft::node_id> members;
    for (std::size_t i = 1; i <= count; ++i)
      members.push_back(i);
    for (auto id : members) {
      nodes.push_back(std::make_unique<test_node>(id, members));
      nodes.back()->options.how = how;
      nodes.back()->options.calm = std::chrono::milliseconds{200};
      // Sanitizers and other tests slow nodes down.
      nodes.back()->options.patience = std::chrono::milliseconds{500};
    }
    for (auto& one : nodes)
      one->start();
    agreement::testing::introduce(nodes);
  }

  void start(raft::node_id id) {
    at(id).start();
    agreement::testing::introduce(nodes);
  }

  test_node& at(raft::node_id id) {
    return *nodes.at(id - 1);
  }

  [[nodiscard]] bool all(const std::function<bool(const host_report&)>& so) {
    return eventually([&] {
      for (auto& one : nodes)
        if (one->running() && !so(one->report()))
          return false;
      return true;
    });
  }

  std::vector<std::unique_ptr<test_node>> nodes;
};

store_machine::operation increment() {
  return {.kind = kind::increment, .key = "n", .delta = 1};
}

bool by_raft(const host_report& one) {
  return one.member.core.where.how == hybrid::mode::raft;
}

} // namespace

TEST_CASE("every node of a group by PBFT answers for it", "[threads]") {
  test_group four{agreement::protocol::pbft};
  std::int64_t sum = 0;
  for (int round = 0; round < 5; ++round)
    for (auto& one : four.nodes) {
      auto done = one->ask(increment());
      REQUIRE(done.status == errc::ok);
      REQUIRE(done.number == ++sum);
    }
  for (auto& one : four.nodes)
    CHECK(one->ask({.key = "n"}).value == std::to_string(sum));
  CHECK_FALSE(by_raft(four.at(1).report()));
}

TEST_CASE("a group by PBFT counts on when its primaries go, and they catch up",
          "[threads]") {
  test_group four{agreement::protocol::pbft};
  std::int64_t sum = 0;
  auto count = [&](int times) {
    for (int i = 0; i < times; ++i) {
      REQUIRE(four.at(4).ask(increment()).status == errc::ok);
      ++sum;
    }
  };
  for (raft::node_id id : {1, 2}) {
    count(20);
    four.at(id).stop();
    count(20);
    four.start(id);
    CHECK(eventually([&] {
      return four.at(id).report().member.core.agreement.executed
             >= four.at(4).report().member.core.agreement.executed;
    }));
  }
  for (auto& one : four.nodes)
    CHECK(one->ask({.key = "n"}).value == std::to_string(sum));
  // All of them at once: what was answered was on their disks.
  for (auto& one : four.nodes)
    one->stop();
  for (auto& one : four.nodes)
    one->start();
  agreement::testing::introduce(four.nodes);
  for (auto& one : four.nodes)
    CHECK(one->ask({.key = "n"}).value == std::to_string(sum));
}

TEST_CASE("time passes in a group by PBFT without writes", "[threads]") {
  test_group four{agreement::protocol::pbft};
  REQUIRE(four.at(1)
            .ask({.kind = kind::set, .key = "k", .value = "v", .ttl_ms = 300})
            .status
          == errc::ok);
  CHECK(eventually(
    [&] { return four.at(2).ask({.key = "k"}).status == errc::not_found; }));
}

TEST_CASE("a node that lost its key is not let in again", "[threads]") {
  test_group four{agreement::protocol::pbft};
  REQUIRE(four.at(1).ask(increment()).status == errc::ok);
  four.at(2).stop();
  four.at(2).lose_disk();
  four.start(2);
  CHECK(eventually([&] {
    auto problems = four.at(1).report().problems;
    return !problems.empty()
           && problems.front().find("node 2 has key") != std::string::npos;
  }));
  CHECK(four.at(3).ask(increment()).number == 2);
}

TEST_CASE("a hybrid group goes by Raft in peace and by PBFT without its leader",
          "[threads]") {
  test_group four{agreement::protocol::hybrid};
  REQUIRE(four.all(by_raft));
  std::int64_t sum = 0;
  auto count = [&](raft::node_id by, int times) {
    for (int i = 0; i < times; ++i) {
      REQUIRE(four.at(by).ask(increment()).status == errc::ok);
      ++sum;
    }
  };
  auto leader = four.at(1).report().member.core.where.leader;
  auto other = leader == 4 ? raft::node_id{3} : raft::node_id{4};
  count(other, 20);
  count(leader, 20);
  four.at(leader).stop();
  count(other, 20);
  CHECK(four.at(other).report().member.switches >= 2);
  four.start(leader);
  for (auto& one : four.nodes)
    CHECK(one->ask({.key = "n"}).value == std::to_string(sum));
}

TEST_CASE("operators end an epoch by Raft together", "[threads]") {
  test_group four{agreement::protocol::hybrid};
  REQUIRE(four.all(by_raft));
  auto epoch = four.at(1).report().member.core.where.epoch;
  for (raft::node_id id : {1, 2}) {
    std::promise<expected<void>> told;
    four.at(id)->operate(
      "pbft", 0, 0, [&](const expected<void>& how) { told.set_value(how); });
    CHECK(told.get_future().get());
  }
  CHECK(four.all([&](const host_report& one) {
    return one.member.core.where.epoch > epoch;
  }));
}

TEST_CASE("a group that cannot bear a liar is refused") {
  test_node alone{1, {1, 2, 3}};
  memory::testing::temporary_directory room;
  memory::segment_options segment;
  segment.segment_bytes = std::uint64_t{1} << 20;
  segment.huge_pages = false;
  auto store = memory::store::create(room.path() / "segment", segment);
  REQUIRE(store);
  auto opened = host::open(alone.options, *store);
  REQUIRE_FALSE(opened);
  CHECK(opened.code() == errc::config);
}
