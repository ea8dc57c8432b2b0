#include "actors/node.hpp"

#include "actors/node_fixture.test.hpp"
#include "actors/tunnel/client.hpp"
#include "actors/tunnel/fixture.test.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace neuroplex::actors::testing;

namespace {

constexpr std::uint32_t peer_id = 2;

// Node 1 with a tunnel, and what its peer needs to dial it.
struct tunnelled {
  tunnelled() : options{options_in(where)} {
    const auto files = authority.issue(1);
    options.tunnel.enabled = true;
    options.tunnel.host = "127.0.0.1";
    options.tunnel.port = config::listen_port::any();
    options.tunnel.ca_file = files.authority_file;
    options.tunnel.certificate_file = files.certificate_file;
    options.tunnel.key_file = files.key_file;
    // The peer has the larger id, and so it is the one that dials.
    options.peers.push_back({peer_id, "127.0.0.1", 1});
  }

  std::unique_ptr<tunnel::client> dial(const node& target) {
    tunnel::client_options dialler;
    dialler.self = {options.cluster, peer_id, 1};
    dialler.files = authority.issue(peer_id);
    dialler.peer = options.replica_id;
    dialler.peer_address = "127.0.0.1";
    dialler.peer_port = target.tunnel_port();
    dialler.limits.basp_app_identifiers = {application_identifier};
    auto started = tunnel::client::start(std::move(dialler));
    if (!started)
      FAIL(started.error().to_string());
    return std::move(*started);
  }

  directory where;
  tunnel::testing::test_authority authority;
  config::node_options options;
};

tunnel_report tunnel_of(node& of) {
  auto report = of.report();
  REQUIRE(report);
  return report->tunnel;
}

} // namespace

TEST_CASE("the tunnel leads to the address at which the node's actors listen, "
          "and its figures are in the report") {
  tunnelled one;
  // Not the address that everybody would guess.
  one.options.basp.host = "127.0.0.5";
  auto here = start(one.options);
  auto before = tunnel_of(*here);
  CHECK(before.enabled);
  CHECK(before.port == here->tunnel_port());
  CHECK(before.connections_accepted == 0);
  CHECK(before.endings.empty());

  auto peer = one.dial(*here);
  connection through{peer->local_port()};
  REQUIRE(through.open());
  // The node's listener speaks first.
  REQUIRE(through.receive(1).size() == 1);
  // What was sent is counted a moment later.
  REQUIRE(eventually([&] { return tunnel_of(*here).bytes_to_peers > 0; }));
  auto during = tunnel_of(*here);
  CHECK(during.connections_accepted == 1);
  CHECK(during.connections_open == 1);
  CHECK(during.streams_established == 1);
}

TEST_CASE("what the tunnel refuses is counted by reason in the report") {
  tunnelled one;
  auto here = start(one.options);
  connection stranger{here->tunnel_port()};
  REQUIRE(stranger.open());
  static_cast<void>(stranger.ask("GET / HTTP/1.0\r\n\r\n", 1'000));
  REQUIRE(eventually([&] { return !tunnel_of(*here).endings.empty(); }));
  auto report = tunnel_of(*here);
  REQUIRE(report.endings.size() == 1);
  CHECK(report.endings[0].reason == "not_tls");
  CHECK(report.endings[0].refused);
  CHECK(report.endings[0].count == 1);
  CHECK_FALSE(report.last_failure.empty());
}

TEST_CASE("a node that is told to listen on localhost does, behind a tunnel as "
          "well") {
  tunnelled one;
  one.options.basp.host = "localhost";
  one.options.resp.host = "localhost";
  one.options.resp.port = config::listen_port::any();
  auto here = start(one.options);
  connection redis{here->resp_port()};
  CHECK(redis.ask("PING\r\n", 7) == "+PONG\r\n");
  auto peer = one.dial(*here);
  connection through{peer->local_port()};
  CHECK(through.receive(1).size() == 1);
}

TEST_CASE("a node without a tunnel reports none") {
  directory where;
  auto here = start(options_in(where));
  CHECK_FALSE(tunnel_of(*here).enabled);
}
