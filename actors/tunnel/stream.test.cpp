#include "actors/tunnel/stream.hpp"

#include <functional>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "actors/tunnel/fixture.test.hpp"

using namespace neuroplex::tunnel;
using namespace neuroplex::tunnel::testing;

namespace {

constexpr replica_id server_id = 1;
constexpr replica_id client_id = 2;

std::shared_ptr<const tls_context> load(const credentials& files,
                                        replica_id id) {
  auto context = tls_context::load(files, id);
  REQUIRE(context);
  return *context;
}

/// The certificates of one test run; making them is the dear part.
struct certificates {
  test_authority authority;
  test_authority foreign_authority;
  std::shared_ptr<const tls_context> server =
    load(authority.issue(server_id), server_id);
  std::shared_ptr<const tls_context> client =
    load(authority.issue(client_id), client_id);
  std::shared_ptr<const tls_context> third = load(authority.issue(3), 3);
  std::shared_ptr<const tls_context> foreign =
    load(foreign_authority.issue(client_id), client_id);
};

certificates& shared() {
  static certificates result;
  return result;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

std::string text_of(byte_queue& queue) {
  auto front = queue.front();
  std::string text{reinterpret_cast<const char*>(front.data()), front.size()};
  queue.clear();
  return text;
}

/// A client and a server whose sockets are two queues.
struct pair {
  explicit pair(
    const std::function<void(pair&)>& prepare = {},
    std::shared_ptr<const tls_context> client_context = shared().client)
    : sessions{{server_id, {client_id, 3}, false, 4}} {
    server_settings.role = tls_role::server;
    server_settings.self = {"cells", server_id, 11};
    server_settings.sessions = &sessions;
    server_settings.limits.inspect_basp = false;
    server_settings.claims = std::make_shared<node_claims>();
    client_settings.role = tls_role::client;
    client_settings.self = {"cells", client_id, 22};
    client_settings.peer = server_id;
    client_settings.limits.inspect_basp = false;
    if (prepare)
      prepare(*this);
    server = std::make_unique<stream>(server_settings, shared().server, now_ms);
    client = std::make_unique<stream>(client_settings,
                                      std::move(client_context), now_ms);
    client->on_network_open(now_ms);
  }

  /// Carries bytes both ways until nothing moves.
  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto [from, to] : {std::pair{client.get(), server.get()},
                              std::pair{server.get(), client.get()}}) {
        auto& queue = from->network_out();
        if (queue.empty() || (!to->wants_network() && !to->closing()))
          continue;
        std::vector<std::byte> bytes{queue.front().begin(),
                                     queue.front().end()};
        queue.clear();
        to->on_network(bytes, now_ms);
        moved = true;
      }
      if (server->wants_local_open()) {
        server->on_local_open(now_ms);
        moved = true;
      }
    }
  }

  void advance(std::int64_t by_ms, bool carrying = true) {
    for (std::int64_t passed = 0; passed < by_ms; passed += 100) {
      now_ms += 100;
      client->on_tick(now_ms);
      server->on_tick(now_ms);
      if (carrying)
        carry();
    }
  }

  std::int64_t now_ms = 1'000;
  session_table sessions;
  stream_settings server_settings;
  stream_settings client_settings;
  std::unique_ptr<stream> server;
  std::unique_ptr<stream> client;
};

} // namespace

TEST_CASE("two nodes of one authority relay bytes both ways",
          "[tunnel][stream]") {
  pair p;
  CHECK_FALSE(p.client->wants_local());
  p.carry();
  REQUIRE(p.client->state() == stream::phase::relaying);
  REQUIRE(p.server->state() == stream::phase::relaying);
  CHECK(p.server->peer() == client_id);
  p.client->on_local(bytes_of("hello"), p.now_ms);
  p.server->on_local(bytes_of("welcome"), p.now_ms);
  p.carry();
  CHECK(text_of(p.server->local_out()) == "hello");
  CHECK(text_of(p.client->local_out()) == "welcome");
}

TEST_CASE("an end of the local side delivers what was sent before it",
          "[tunnel][stream]") {
  pair p;
  p.carry();
  const std::string last(200'000, 'x');
  p.client->on_local(bytes_of(last), p.now_ms);
  p.client->on_local_end(p.now_ms);
  p.carry();
  CHECK(p.client->cause() == reason::orderly);
  CHECK(p.server->cause() == reason::orderly);
  CHECK(text_of(p.server->local_out()) == last);
}

TEST_CASE("the wrong partner is refused under its reason on both sides",
          "[tunnel][stream]") {
  struct row {
    const char* name;
    std::function<void(pair&)> prepare;
    reason at_server;
    reason at_client;
  };
  const row rows[] = {
    {"another cluster", [](pair& p) { p.client_settings.self.cluster = "x"; },
     reason::other_cluster, reason::refused_by_peer},
    {"a hello in another's name",
     [](pair& p) { p.client_settings.self.id = 3; }, reason::hello_identity,
     reason::refused_by_peer},
    {"no peer",
     [](pair& p) {
       p.sessions = session_table{{server_id, {3}, false, 4}};
     },
     reason::unknown_peer, reason::refused_by_peer},
    {"a stream for agreement where nothing is agreed on",
     [](pair& p) { p.client_settings.wanted = service::agreement; },
     reason::local_unavailable, reason::refused_by_peer},
    {"the dialled peer is another", [](pair& p) { p.client_settings.peer = 9; },
     reason::wrong_name, reason::wrong_name},
  };
  for (const auto& r : rows) {
    CAPTURE(r.name);
    pair p{r.prepare};
    p.carry();
    CHECK(p.client->cause() == r.at_client);
    if (r.at_client == reason::wrong_name)
      CHECK(p.client->detail()
            == "the certificate names replica 1, expected "
               "replica 9");
    else
      CHECK(p.server->cause() == r.at_server);
    CHECK(p.server->local_out().empty());
  }
}

TEST_CASE("a certificate of another authority is refused", "[tunnel][stream]") {
  pair p{{}, shared().foreign};
  p.carry();
  // The client sees the server's certificate first and ends with an alert.
  CHECK(p.client->cause() == reason::certificate_authority);
  CHECK(p.server->cause() == reason::refused_by_peer);
}

TEST_CASE("a second life of a live peer is refused and the first one stays",
          "[tunnel][stream]") {
  pair first;
  first.carry();
  auto join = [&](std::uint64_t incarnation) {
    return std::make_unique<pair>([&](pair& p) {
      p.client_settings.self.incarnation = incarnation;
      p.server_settings.sessions = &first.sessions;
    });
  };
  auto second = join(23);
  second->carry();
  CHECK(second->server->cause() == reason::duplicate_session);
  CHECK(second->client->cause() == reason::refused_by_peer);
  CHECK(first.sessions.take_probes() == std::vector<replica_id>{client_id});
  first.server->probe(first.now_ms);
  first.carry();
  first.advance(3'000);
  CHECK(first.server->state() == stream::phase::relaying);
  // More streams of the same life are welcome, up to the limit.
  std::vector<std::unique_ptr<pair>> more;
  for (int i = 0; i < 4; ++i) {
    more.push_back(join(22));
    more.back()->carry();
  }
  CHECK(more[2]->server->state() == stream::phase::relaying);
  CHECK(more[3]->server->cause() == reason::too_many_streams);
  more.clear();
  // When the first does not answer the probe, its successor gets in.
  first.server->probe(first.now_ms);
  first.advance(1'100, false);
  CHECK(first.server->cause() == reason::superseded);
  auto third = join(23);
  third->carry();
  CHECK(third->server->state() == stream::phase::relaying);
}

TEST_CASE("a silent connection ends at the handshake deadline",
          "[tunnel][stream]") {
  pair p;
  p.advance(4'900, false);
  CHECK_FALSE(p.server->closing());
  p.advance(200, false);
  CHECK(p.server->cause() == reason::handshake_deadline);
  CHECK(p.client->cause() == reason::handshake_deadline);
}

TEST_CASE("pings keep an idle stream, and silence ends it",
          "[tunnel][stream]") {
  pair p;
  p.carry();
  p.advance(60'000);
  CHECK(p.server->state() == stream::phase::relaying);
  CHECK(p.client->state() == stream::phase::relaying);
  p.advance(15'100, false);
  CHECK(p.server->cause() == reason::idle);
}

TEST_CASE("a local side that does not read stops the peer, within bounds",
          "[tunnel][stream]") {
  pair p;
  p.carry();
  const std::string chunk(limits::data_payload_bytes, 'x');
  std::size_t sent_bytes = 0;
  for (int i = 0; i < 1'000 && p.client->wants_local(); ++i) {
    p.client->on_local(bytes_of(chunk), p.now_ms);
    sent_bytes += chunk.size();
    p.carry();
  }
  CHECK_FALSE(p.client->wants_local());
  CHECK_FALSE(p.server->wants_network());
  CHECK(p.server->local_out().size() < 400'000);
  CHECK(p.client->network_out().size() < 400'000);
  // It is stalled, not dead: neither side gives the other up.
  p.advance(30'000);
  CHECK(p.server->state() == stream::phase::relaying);
  CHECK(p.client->state() == stream::phase::relaying);
  std::size_t received_bytes = 0;
  for (int i = 0; i < 100 && received_bytes < sent_bytes; ++i) {
    received_bytes += text_of(p.server->local_out()).size();
    p.carry();
  }
  CHECK(received_bytes == sent_bytes);
}

TEST_CASE("bytes that are no TLS are refused as such", "[tunnel][stream]") {
  std::mt19937_64 random{5};
  for (int round = 0; round < 50; ++round) {
    pair p;
    std::vector<std::byte> noise(4'096);
    for (auto& b : noise)
      b = static_cast<std::byte>(random());
    noise[0] = std::byte{0x41};
    p.server->on_network(noise, p.now_ms);
    CHECK(p.server->cause() == reason::not_tls);
    CHECK(p.server->local_out().empty());
  }
  pair http;
  http.server->on_network(bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                          http.now_ms);
  CHECK(http.server->cause() == reason::not_tls);
}

TEST_CASE("every mutation of a handshake ends or is refused, and is never "
          "relayed",
          "[tunnel][stream][fuzz]") {
  std::mt19937_64 random{9};
  for (int round = 0; round < 200; ++round) {
    pair p;
    int countdown = static_cast<int>(random() % 3);
    for (int step = 0; step < 12 && !p.server->closing(); ++step) {
      std::vector<std::byte> bytes{p.client->network_out().front().begin(),
                                   p.client->network_out().front().end()};
      p.client->network_out().clear();
      if (!bytes.empty() && countdown-- == 0)
        bytes[random() % bytes.size()] ^=
          static_cast<std::byte>(1U << (random() % 8));
      if (!bytes.empty())
        p.server->on_network(bytes, p.now_ms);
      std::vector<std::byte> answer{p.server->network_out().front().begin(),
                                    p.server->network_out().front().end()};
      p.server->network_out().clear();
      if (!answer.empty() && !p.client->closing())
        p.client->on_network(answer, p.now_ms);
      if (p.server->wants_local_open())
        p.server->on_local_open(p.now_ms);
    }
    p.advance(6'000, false);
    CHECK(p.server->local_out().empty());
  }
}

namespace {

/// A client handshake as CAF sends it.
std::string basp_greeting(char host = 7) {
  using namespace std::string_literals;
  return "\x01\0\0\0\0\0\0\x20"s + std::string(24, '\0')
         + "\0\0\x3e\x9a\xab\x9b\xac\x79\0\0\0\x2a"s + std::string(20, host);
}

void inspect(pair& p) {
  p.server_settings.limits.inspect_basp = true;
}

} // namespace

TEST_CASE("a BASP header that ends CAF never reaches the local side",
          "[tunnel][stream][basp]") {
  pair p{inspect};
  p.carry();
  p.client->on_local(bytes_of(std::string{"\x01", 1} + std::string(31, '\0')),
                     p.now_ms);
  p.carry();
  CHECK(p.server->cause() == reason::basp_empty_handshake);
  CHECK(p.server->local_out().empty());
  CHECK(p.client->cause() == reason::refused_by_peer);
  CHECK(p.client->detail().find("basp_empty_handshake") == 0);
}

TEST_CASE("half a BASP header and silence ends after the handshake deadline",
          "[tunnel][stream][basp]") {
  pair p{inspect};
  p.carry();
  const auto greeting = basp_greeting();
  p.client->on_local(bytes_of(greeting + std::string(16, '\x02')), p.now_ms);
  p.carry();
  CHECK(p.server->local_out().size() == greeting.size());
  p.advance(4'900);
  CHECK_FALSE(p.server->closing());
  p.advance(200);
  CHECK(p.server->cause() == reason::basp_stall);
  CHECK(p.server->local_out().size() == greeting.size());
}

TEST_CASE("a stream that never greets is ended, drip by drip too",
          "[tunnel][stream][basp]") {
  pair p{inspect};
  p.carry();
  const auto greeting = basp_greeting();
  for (int i = 0; i < 6 && !p.server->closing(); ++i) {
    p.client->on_local(
      bytes_of(greeting.substr(static_cast<std::size_t>(i), 1)), p.now_ms);
    p.advance(1'000);
  }
  CHECK(p.server->cause() == reason::basp_stall);
}

TEST_CASE("no peer can speak as another one's BASP node",
          "[tunnel][stream][basp]") {
  pair first{inspect};
  first.carry();
  first.client->on_local(bytes_of(basp_greeting()), first.now_ms);
  first.carry();
  REQUIRE(first.server->state() == stream::phase::relaying);
  pair second{[&](pair& p) {
                inspect(p);
                p.client_settings.self.id = 3;
                p.server_settings.claims = first.server_settings.claims;
              },
              shared().third};
  second.carry();
  second.client->on_local(bytes_of(basp_greeting()), second.now_ms);
  second.carry();
  CHECK(second.server->cause() == reason::basp_node_claimed);
  CHECK(second.server->local_out().empty());
  first.client->on_local_end(first.now_ms);
  first.carry();
  CHECK(first.server_settings.claims->claim({}, 1));
}
