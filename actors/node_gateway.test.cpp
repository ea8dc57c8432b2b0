#include "actors/node.hpp"

#include "actors/client.hpp"
#include "actors/node_fixture.test.hpp"
#include "actors/resp_gateway.hpp"
#include "memory/reserved_port.test.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace neuroplex::actors::testing;

namespace {

bool pings(std::uint16_t port) {
  connection client{port};
  return client.open() && client.ask("PING\r\n", 7) == "+PONG\r\n";
}

config::node_options
options_with_gateway(const directory& where,
                     config::listen_port port = config::listen_port::any()) {
  auto options = options_in(where);
  options.resp.port = port;
  return options;
}

gateway_report gateway_of(node& of) {
  auto report = of.report();
  REQUIRE(report);
  return report->gateway;
}

} // namespace

TEST_CASE("a node serves Redis clients, and its report counts them") {
  directory where;
  auto here = start(options_with_gateway(where));
  REQUIRE(here->resp_port() != 0);
  connection redis{here->resp_port()};
  REQUIRE(redis.open());
  CHECK(redis.ask("PING\r\n", 7) == "+PONG\r\n");
  CHECK(redis.ask("SET greeting hello\r\n", 5) == "+OK\r\n");
  CHECK(redis.ask("GET greeting\r\n", 11) == "$5\r\nhello\r\n");
  CHECK(redis.ask("NONSENSE\r\n", 4) == "-ERR");
  auto client = attach(*here);
  CHECK(*client.get("default", "greeting") == "hello");
  REQUIRE(eventually([&] { return gateway_of(*here).commands >= 3; }));
  auto report = gateway_of(*here);
  CHECK(report.enabled);
  CHECK(report.open);
  CHECK(report.port == here->resp_port());
  CHECK(report.openings == 1);
  CHECK(report.connections_open == 1);
  CHECK(report.connections_accepted == 1);
  CHECK(report.failed_commands == 1);
  CHECK(report.bytes_in > 0);
  CHECK(report.bytes_out > 0);
}

TEST_CASE("Redis clients see the node's upkeep") {
  directory where;
  auto options = options_with_gateway(where);
  options.upkeep.gc = config::gc_strategy::lazy;
  auto here = start(options);
  connection redis{here->resp_port()};
  REQUIRE(redis.open());
  constexpr std::size_t least_reply_bytes = 150;
  auto reply = redis.ask("INFO upkeep\r\n", least_reply_bytes);
  CHECK(reply.find("# Upkeep\r\npressure_level:low\r\n") != std::string::npos);
  CHECK(reply.find("gc_strategy:lazy\r\n") != std::string::npos);
}

TEST_CASE("a gateway that dies is opened again on its port and counted") {
  directory where;
  memory::testing::reserved_port own;
  const auto port = own.number();
  auto here = start(options_with_gateway(where, config::listen_port::at(port)));
  std::uint64_t commands = 0;
  for (std::uint64_t deaths = 1; deaths <= 10; ++deaths) {
    connection redis{port};
    REQUIRE(redis.open());
    REQUIRE(redis.ask("SET life " + std::to_string(deaths) + "\r\n", 5)
            == "+OK\r\n");
    ++commands;
    REQUIRE(end_child(*here, "gateway",
                      deaths % 2 == 0 ? ending::kill : ending::error));
    CHECK(redis.ended());
    REQUIRE(eventually([&] { return pings(port); }));
    ++commands;
    // It serves a moment before it says so.
    CHECK(eventually([&] { return gateway_of(*here).openings == deaths + 1; }));
    CHECK(here->resp_port() == port);
    auto report = here->report();
    REQUIRE(report);
    CHECK(report->restarts == deaths);
    CHECK(report->gateway.commands >= commands);
  }
  CHECK_FALSE(here->failed());
  connection redis{port};
  CHECK(redis.ask("GET life\r\n", 8) == "$2\r\n10\r\n");
}

TEST_CASE("the port of a gateway is closed when its node stops") {
  directory where;
  memory::testing::reserved_port own;
  const auto port = own.number();
  auto here = start(options_with_gateway(where, config::listen_port::at(port)));
  connection redis{port};
  REQUIRE(redis.ask("PING\r\n", 7) == "+PONG\r\n");
  here->stop();
  CHECK(redis.ended());
  CHECK_FALSE(connection{port}.open());
}

TEST_CASE("a node without a gateway reports none") {
  directory where;
  auto here = start(options_in(where));
  CHECK(here->resp_port() == 0);
  CHECK_FALSE(gateway_of(*here).enabled);
  CHECK_FALSE(end_child(*here, "gateway", ending::kill));
}

TEST_CASE("a node whose gateway cannot listen does not start, and says why") {
  directory where;
  auto here = start(options_with_gateway(where));
  directory elsewhere;
  auto options = options_in(elsewhere);
  options.resp.port = config::listen_port::at(here->resp_port());
  auto second = node::start(options);
  REQUIRE(second.code() == errc::io);
  CHECK(second.error().message().find(std::to_string(here->resp_port()))
        != std::string::npos);
  options.resp.port = config::listen_port::any();
  options.resp.password_file = (elsewhere.path() / "absent").string();
  auto third = node::start(options);
  REQUIRE_FALSE(third);
  CHECK(third.error().message().starts_with("resp.password_file: "));
  CHECK(pings(here->resp_port()));
}

TEST_CASE("a gateway whose port was taken meanwhile says so, and opens on it "
          "when it is free") {
  directory where;
  auto here = start(options_in(where));
  const node_access access{.system = here->system(), .handle = here->handle()};
  auto options = here->options();
  memory::testing::reserved_port own;
  const auto port = own.number();
  options.resp.port = config::listen_port::at(port);
  resp_gateway gateway{here->store(), here->table(), options, {}};
  CHECK_FALSE(gateway.report().open);
  REQUIRE(gateway.open(access));
  CHECK(*gateway.await_opening(milliseconds{0}) == port);
  REQUIRE(pings(port));
  gateway.close();
  CHECK_FALSE(connection{port}.open());
  {
    resp_gateway other{here->store(), here->table(), options, {}};
    REQUIRE(other.open(access));
    CHECK(gateway.open(access).code() == errc::io);
    CHECK(gateway.await_opening(milliseconds{0}).code() == errc::io);
    auto report = gateway.report();
    CHECK_FALSE(report.open);
    CHECK(report.problem.find(std::to_string(port)) != std::string::npos);
    CHECK(report.commands == 1);
  }
  REQUIRE(gateway.open(access));
  CHECK(pings(port));
  auto report = gateway.report();
  CHECK(report.problem.empty());
  CHECK(report.port == port);
  CHECK(report.openings == 2);
  CHECK(report.commands == 2);
}
