#include "actors/concept_messages.hpp"
#include "actors/node_fixture.test.hpp"
#include "memory/reserved_port.test.hpp"

#include <catch2/catch.hpp>

#include <future>
#include <string>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace neuroplex::actors::testing;
using concept_service::lesson_writer;
using concept_service::question;
using concept_service::question_kind;
using concepts::concept_id;

namespace {

config::node_options with_concepts(
  const directory& where,
  config::concept_durability keep = config::concept_durability::log) {
  auto options = options_in(where);
  options.concepts.enabled = true;
  options.concepts.durability = keep;
  return options;
}

/// Concepts "0" to "count - 1", in a chain.
concept_service::lesson chain(int count) {
  lesson_writer made;
  auto next = made.type("next");
  REQUIRE(next);
  for (int i = 0; i < count; ++i)
    REQUIRE(made.learn_concept(concept_id::of_name(std::to_string(i)),
                               {.content = "link " + std::to_string(i)})
            == errc::ok);
  for (int i = 1; i < count; ++i)
    REQUIRE(
      made.learn_association({concept_id::of_name(std::to_string(i - 1)),
                              concept_id::of_name(std::to_string(i)), *next})
      == errc::ok);
  return made.take();
}

concept_report report_of(node& here) {
  auto report = here.report();
  return report ? report->concepts : concept_report{};
}

/// Nodes 1 and 2, which teach each other.
struct two_nodes {
  two_nodes() {
    for (std::size_t i = 0; i < 2; ++i) {
      auto& each = options[i];
      each = with_concepts(homes[i]);
      each.concepts.replication = config::concept_replication::replicas;
      each.replica_id = static_cast<std::uint32_t>(i + 1);
      each.basp.port = config::listen_port::at(ports[i].number());
      each.timeouts.reconnect_ms = 20;
      each.peers.push_back({static_cast<std::uint32_t>(2 - i), "127.0.0.1",
                            ports[1 - i].number()});
      nodes[i] = start(each);
    }
  }

  lesson_receipt learn(std::size_t which, int count) {
    return attach(*nodes[which]).learn(chain(count));
  }

  /// Both show this many concepts, and the same graph.
  bool agree(std::uint64_t count) {
    return eventually([&] {
      std::string digests[2];
      for (std::size_t i = 0; i < 2; ++i) {
        auto told = attach(*nodes[i]).ask({.kind = question_kind::digest});
        if (told.status != errc::ok || report_of(*nodes[i]).concepts != count)
          return false;
        digests[i] = told.digest;
      }
      return digests[0] == digests[1];
    });
  }

  directory homes[2];
  memory::testing::reserved_port ports[2];
  config::node_options options[2];
  std::unique_ptr<node> nodes[2];
};

} // namespace

TEST_CASE("a node learns by messages, answers, and knows it after a restart") {
  directory where;
  auto options = with_concepts(where);
  {
    auto here = start(options);
    auto client = attach(*here);
    auto receipt = client.learn(chain(20));
    REQUIRE(receipt.status == errc::ok);
    CHECK(receipt.accepted == 39);
    CHECK(receipt.visible);
    CHECK(receipt.durable);
    question way{.kind = question_kind::find_path, .names = {"0", "5"}};
    way.limit = 1;
    auto found = client.ask(way);
    REQUIRE(found.paths.size() == 1);
    CHECK(found.paths[0].links.size() == 5);
    CHECK(client.ask({.names = {"20"}}).status == errc::not_found);
    auto report = report_of(*here);
    CHECK(report.enabled);
    CHECK(report.concepts == 20);
    CHECK(report.edges == 19);
    CHECK(report.written == 39);
    CHECK(report.lessons == 1);
    CHECK(report.notices.empty());
  }
  auto again = start(options);
  CHECK(report_of(*again).concepts == 20);
  CHECK(report_of(*again).edges == 19);
}

TEST_CASE("a lesson that is malformed has no effect, and no memory says so") {
  directory where;
  auto here = start(with_concepts(where));
  auto client = attach(*here);
  auto bad = chain(3);
  bad.entries.pop_back();
  auto receipt = client.learn(bad);
  CHECK(receipt.status == errc::protocol);
  CHECK(receipt.problem.find("entry 5") != std::string::npos);
  CHECK(report_of(*here).written == 0);

  directory other;
  auto without = start(options_in(other));
  auto there = attach(*without);
  CHECK(there.learn(chain(1)).status == errc::unavailable);
  CHECK(there.ask({.names = {"0"}}).status == errc::unavailable);
  CHECK_FALSE(report_of(*without).enabled);
}

TEST_CASE("actors of concept memory that die are started again") {
  directory where;
  auto here = start(with_concepts(where));
  auto client = attach(*here);
  std::uint64_t deaths = 0;
  for (const auto* name :
       {"reconciler", "concept_writer", "concept_reader", "reconciler"}) {
    REQUIRE(end_child(*here, name));
    ++deaths;
    REQUIRE(eventually([&] {
      auto report = here->report();
      return report && report->restarts == deaths;
    }));
    REQUIRE(
      eventually([&] { return client.learn(chain(5)).status == errc::ok; }));
    CHECK(client.ask({.names = {"4"}}).status == errc::ok);
  }
}

TEST_CASE("a full write log refuses the rest of a lesson, or lets it wait") {
  using config::concept_overflow;
  for (auto overflow : {concept_overflow::reject, concept_overflow::block,
                        concept_overflow::spill}) {
    directory where;
    auto options = with_concepts(where, config::concept_durability::none);
    options.concepts.overflow = overflow;
    options.concepts.queue = 16;
    options.concepts.batch = 16;
    options.concepts.interval_ms = 1;
    auto here = start(options);
    auto client = attach(*here);
    auto receipt = client.learn(chain(2'000), lesson_wait::visible);
    if (overflow == concept_overflow::reject) {
      CHECK(receipt.status == errc::busy);
      CHECK(receipt.accepted < 3'999);
      continue;
    }
    CHECK(receipt.status == errc::ok);
    CHECK(receipt.accepted == 3'999);
    CHECK(report_of(*here).concepts == 2'000);
    CHECK(report_of(*here).edges == 1'999);
  }
}

TEST_CASE("many learn at once, and each is answered when readers see it",
          "[threads]") {
  directory where;
  auto here = start(with_concepts(where));
  std::vector<std::future<bool>> learners;
  learners.reserve(4);
  for (int learner = 0; learner < 4; ++learner)
    learners.push_back(std::async(std::launch::async, [&here, learner] {
      auto client = client::attach(*here, {.request_timeout_ms = patience_ms});
      for (int i = 0; i < 25; ++i) {
        lesson_writer made;
        auto name = std::to_string(learner) + "." + std::to_string(i);
        static_cast<void>(made.learn_concept(concept_id::of_name(name), {}));
        if (client->learn(made.take()).status != errc::ok
            || client->ask({.names = {concept_id::of_name(name).to_string()}})
                   .status
                 != errc::ok)
          return false;
      }
      return true;
    }));
  for (auto& each : learners)
    CHECK(each.get());
  CHECK(report_of(*here).concepts == 100);
}

TEST_CASE("two nodes teach each other, also over the death of their actors and "
          "a restart") {
  two_nodes both;
  auto receipt = both.learn(0, 20);
  REQUIRE(receipt.status == errc::ok);
  CHECK(receipt.accepted == 39);
  CHECK(receipt.durable);
  CHECK(receipt.visible);
  REQUIRE(both.agree(20));

  for (const auto* doomed :
       {"replica-.concepts-0", "concept_writer", "replica-disk"}) {
    REQUIRE(end_child(*both.nodes[0], doomed));
    REQUIRE(eventually([&] { return both.learn(0, 25).status == errc::ok; }));
  }
  CHECK(both.learn(1, 30).status == errc::ok);
  REQUIRE(both.agree(30));

  both.nodes[0].reset();
  CHECK(both.learn(1, 40).durable);
  both.nodes[0] = start(both.options[0]);
  REQUIRE(both.agree(40));

  auto report = report_of(*both.nodes[0]);
  CHECK(report.replicated);
  CHECK(report.unshown == 0);
  CHECK(report.edges == 39);
  REQUIRE(report.peers.size() == 1);
  CHECK(report.peers[0].replica_id == 2);
  CHECK(eventually([&] {
    auto now = report_of(*both.nodes[1]).peers;
    return now.size() == 1 && now[0].connected && now[0].changes_behind == 0;
  }));
}

TEST_CASE("a lesson that fits nothing here, or no replica, is told of") {
  directory where;
  auto options = with_concepts(where);
  options.concepts.replication = config::concept_replication::replicas;
  auto here = start(options);
  auto client = attach(*here);
  lesson_writer made;
  REQUIRE(made.strengthen(concept_id::of_name("nobody"), 1) == errc::ok);
  auto receipt = client.learn(made.take());
  CHECK(receipt.status == errc::ok);
  CHECK(receipt.accepted == 1);
  CHECK(report_of(*here).refused == 1);
  const std::string long_text(concepts::limits::max_content_bytes, 'x');
  REQUIRE(
    made.learn_concept(concept_id::of_name("essay"), {.content = long_text})
    == errc::ok);
  receipt = client.learn(made.take());
  CHECK(receipt.status == errc::value_size);
  CHECK(receipt.problem.find("1 MiB") != std::string::npos);
  // An empty one waits for what came before.
  CHECK(client.learn({}).status == errc::ok);
  CHECK(report_of(*here).concepts == 0);
}
