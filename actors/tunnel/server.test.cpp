// Server and client with real sockets on loopback.
#include "actors/tunnel/server.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "actors/tunnel/client.hpp"
#include "actors/tunnel/fixture.test.hpp"
#include "actors/tunnel/sockets.hpp"
#include "memory/cpu_time.test.hpp"
#include "memory/eventually.test.hpp"
#include "memory/reserved_port.test.hpp"

using namespace neuroplex;
using namespace neuroplex::tunnel;
using namespace neuroplex::tunnel::testing;
using namespace std::chrono_literals;

namespace {

using memory::testing::cpu_seconds_of_others;
using memory::testing::eventually;
using memory::testing::reserved_port;

constexpr int patience_ms = 60'000;

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, patience_ms) == 1;
}

/// A blocking connection to a port of 127.0.0.1.
class plain_client {
public:
  explicit plain_client(std::uint16_t port)
    : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    const auto address = loopback_address(port);
    connected_ = ::connect(socket_.get(), address.get(), address.length) == 0;
  }

  [[nodiscard]] bool connected() const {
    return connected_;
  }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto count =
        ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0)
        return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// Reads `count` bytes, fewer at the end or after a long silence.
  std::string receive(std::size_t count) {
    std::string result;
    std::array<char, 65'536> buffer;
    while (result.size() < count && readable(socket_.get())) {
      const auto got =
        ::recv(socket_.get(), buffer.data(),
               std::min(buffer.size(), count - result.size()), 0);
      if (got <= 0)
        break;
      result.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return result;
  }

  /// Whether the other side ends the connection.
  bool ended() {
    char byte = 0;
    return readable(socket_.get()) && ::recv(socket_.get(), &byte, 1, 0) <= 0;
  }

  [[nodiscard]] int fd() const {
    return socket_.get();
  }

private:
  socket_handle socket_;
  bool connected_ = false;
};

/// Sends back whatever it gets, connection by connection.
class echo_service {
public:
  echo_service() : listener_{*listen_on(loopback_address(0))} {
    thread_ = std::thread{[this] { run(); }};
  }

  ~echo_service() {
    stopping_ = true;
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const {
    return local_port(listener_.get());
  }

private:
  void run() {
    std::vector<socket_handle> open;
    std::array<char, 65'536> buffer;
    while (!stopping_) {
      std::vector<pollfd> entries{{listener_.get(), POLLIN, 0}};
      for (const auto& socket : open)
        entries.push_back({socket.get(), POLLIN, 0});
      if (::poll(entries.data(), entries.size(), 20) <= 0)
        continue;
      for (std::size_t i = entries.size(); i-- > 1;) {
        if (entries[i].revents == 0)
          continue;
        const auto count =
          ::recv(entries[i].fd, buffer.data(), buffer.size(), 0);
        if (count > 0)
          ::send(entries[i].fd, buffer.data(), static_cast<std::size_t>(count),
                 MSG_NOSIGNAL);
        else
          open.erase(open.begin() + static_cast<std::ptrdiff_t>(i) - 1);
      }
      if (entries[0].revents != 0)
        open.emplace_back(
          ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }

  socket_handle listener_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

struct cluster {
  test_authority authority;
  echo_service echo;

  [[nodiscard]] server_options server_side() {
    server_options options;
    options.self = {"cells", 1, 100};
    options.files = authority.issue(1);
    options.basp_port = echo.port();
    options.peers = {2, 3};
    options.limits.inspect_basp = false;
    return options;
  }

  [[nodiscard]] client_options client_side(std::uint16_t port,
                                           replica_id id = 2) {
    client_options options;
    options.self = {"cells", id, 200};
    options.files = authority.issue(id);
    options.peer = 1;
    options.peer_address = "127.0.0.1";
    options.peer_port = port;
    options.limits.inspect_basp = false;
    return options;
  }
};

template <class T>
T take(expected<T> result) {
  INFO((result ? std::string{} : result.error().message()));
  REQUIRE(result);
  return std::move(*result);
}

bool echoes(std::uint16_t port, std::string_view text) {
  plain_client connection{port};
  return connection.send(text) && connection.receive(text.size()) == text;
}

std::size_t descriptor_count() {
  using iterator = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(
    std::distance(iterator{"/proc/self/fd"}, iterator{}));
}

} // namespace

TEST_CASE("a service behind the tunnel answers as if it were local",
          "[tunnel][server][threads]") {
  cluster c;
  auto server = take(server::start(c.server_side()));
  auto client = take(client::start(c.client_side(server->port())));
  CHECK(echoes(client->local_port(), "ping"));
  CHECK(echoes(client->local_port(), std::string(300'000, 'x')));
  std::vector<std::unique_ptr<plain_client>> many;
  for (int i = 0; i < 20; ++i) {
    many.push_back(std::make_unique<plain_client>(client->local_port()));
    REQUIRE(many.back()->send("n" + std::to_string(100 + i)));
  }
  for (int i = 0; i < 20; ++i)
    CHECK(many[static_cast<std::size_t>(i)]->receive(4)
          == "n" + std::to_string(100 + i));
  CHECK(server->stats().streams_established == 22);
  many.clear();
  CHECK(eventually([&] {
    return server->stats().connections_open == 0
           && client->stats().connections_open == 0;
  }));
  CHECK(server->stats().closed_for(reason::orderly) == 22);
  CHECK(server->stats().connections_accepted == 22);
  CHECK(server->stats().connections_pending == 0);
  CHECK(server->last_failure().empty());
}

TEST_CASE("a stream for agreement reaches its own port, where it is known "
          "whose it is",
          "[tunnel][server][threads]") {
  cluster c;
  auto listener = take(listen_on(loopback_address(0)));
  auto options = c.server_side();
  options.agreement_port = local_port(listener.get());
  options.origins = std::make_shared<stream_origins>();
  auto server = take(server::start(options));
  auto asked = c.client_side(server->port());
  asked.wanted = service::agreement;
  auto client = take(client::start(asked));
  plain_client connection{client->local_port()};
  REQUIRE(connection.send("frame"));
  REQUIRE(readable(listener.get()));
  socket_address from;
  from.length = sizeof(from.storage);
  socket_handle accepted{
    ::accept4(listener.get(), from.get(), &from.length, SOCK_CLOEXEC)};
  REQUIRE(readable(accepted.get()));
  CHECK(options.origins->of(from.port()) == 2);
  CHECK_FALSE(options.origins->of(local_port(listener.get())));
  accepted.reset();
  CHECK(connection.ended());
  CHECK(eventually([&] { return !options.origins->of(from.port()); }));
  // Streams for CAF go where they went.
  auto other = take(client::start(c.client_side(server->port(), 3)));
  CHECK(echoes(other->local_port(), "ping"));
}

TEST_CASE("a peer that is absent closes the local connection and is told",
          "[tunnel][server][threads]") {
  cluster c;
  reserved_port closed;
  auto client = take(client::start(c.client_side(closed.number())));
  plain_client connection{client->local_port()};
  CHECK(connection.ended());
  CHECK(eventually(
    [&] { return client->stats().closed_for(reason::connect_failed) == 1; }));
  CHECK(client->last_failure() == "connect_failed: Connection refused");
}

TEST_CASE("a peer may be given by name, and an unknown name is told",
          "[tunnel][server][threads]") {
  cluster c;
  auto server = take(server::start(c.server_side()));
  auto options = c.client_side(server->port());
  options.peer_address = "localhost";
  auto client = take(client::start(options));
  // The name may have an IPv6 address first, where nobody listens.
  CHECK(eventually([&] { return echoes(client->local_port(), "by name"); }));
  options.peer_address = "peer.invalid";
  auto lost = take(client::start(options));
  plain_client connection{lost->local_port()};
  CHECK(connection.ended());
  CHECK(eventually([&] {
    return lost->last_failure().find("peer.invalid") != std::string::npos;
  }));
}

TEST_CASE("a service that does not run is told to the peer",
          "[tunnel][server][threads]") {
  cluster c;
  reserved_port closed;
  auto options = c.server_side();
  options.basp_port = closed.number();
  auto server = take(server::start(options));
  auto client = take(client::start(c.client_side(server->port())));
  plain_client connection{client->local_port()};
  CHECK(connection.ended());
  CHECK(eventually([&] {
    return server->stats().closed_for(reason::local_unavailable) == 1
           && client->stats().closed_for(reason::refused_by_peer) == 1;
  }));
}

TEST_CASE("1,000 silent connections are closed in time and leave nothing",
          "[tunnel][server][threads]") {
  rlimit descriptors_allowed{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &descriptors_allowed) == 0);
  descriptors_allowed.rlim_cur =
    std::min<rlim_t>(descriptors_allowed.rlim_max, 4'096);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &descriptors_allowed) == 0);
  cluster c;
  auto options = c.server_side();
  options.limits.handshake_ms = 1'500;
  options.max_pending_per_address = 400;
  options.max_pending = 500;
  auto server = take(server::start(options));
  auto client = take(client::start(c.client_side(server->port())));
  plain_client before{client->local_port()};
  REQUIRE(before.send("early"));
  REQUIRE(before.receive(5) == "early");
  const auto descriptors = descriptor_count();
  const auto cpu_before = cpu_seconds_of_others();
  {
    std::vector<std::unique_ptr<plain_client>> silent;
    silent.reserve(1'000);
    for (int i = 0; i < 1'000; ++i)
      silent.push_back(std::make_unique<plain_client>(server->port()));
    CHECK(eventually(
      [&] { return server->stats().connections_accepted == 1'001; }));
    CHECK(server->stats().connections_open <= 401);
    // Streams that are established do not suffer.
    REQUIRE(before.send("still"));
    CHECK(before.receive(5) == "still");
    CHECK(eventually([&] { return server->stats().connections_open == 1; }));
    // One whose turn came when the first ones had been closed is taken, too.
    const auto stats = server->stats();
    CHECK(stats.closed_for(reason::handshake_deadline) >= 400);
    CHECK(stats.closed_for(reason::address_limit) > 0);
    CHECK(stats.closed_for(reason::handshake_deadline)
            + stats.closed_for(reason::address_limit)
          == 1'000);
  }
  CHECK(descriptor_count() == descriptors);
  CHECK(cpu_seconds_of_others() - cpu_before < 3.0);
  CHECK(echoes(client->local_port(), "late"));
}

TEST_CASE("at the cap on connections accepting pauses without spinning",
          "[tunnel][server][threads]") {
  cluster c;
  auto options = c.server_side();
  options.max_pending = 3;
  options.limits.handshake_ms = 1'000;
  auto server = take(server::start(options));
  std::vector<std::unique_ptr<plain_client>> silent;
  const auto cpu_before = cpu_seconds_of_others();
  silent.reserve(9);
  for (int i = 0; i < 9; ++i)
    silent.push_back(std::make_unique<plain_client>(server->port()));
  CHECK(eventually([&] {
    return server->stats().closed_for(reason::handshake_deadline) == 9;
  }));
  CHECK(server->stats().accept_pauses >= 2);
  CHECK(cpu_seconds_of_others() - cpu_before < 0.5);
  auto client = take(client::start(c.client_side(server->port())));
  CHECK(echoes(client->local_port(), "served"));
}

TEST_CASE("without descriptors accepting pauses and then goes on",
          "[tunnel][server][threads]") {
  cluster c;
  auto server = take(server::start(c.server_side()));
  auto client = take(client::start(c.client_side(server->port())));
  REQUIRE(echoes(client->local_port(), "before"));
  // Descriptors of the finished connection may still come free, so more
  // connections wait than those can serve.
  std::vector<socket_handle> waiting;
  waiting.reserve(8);
  for (int i = 0; i < 8; ++i)
    waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  rlimit tight = old;
  tight.rlim_cur = 256;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  std::vector<socket_handle> fillers;
  auto fill = [&] {
    for (bool filled = true; filled;) {
      fillers.emplace_back(::dup(waiting.front().get()));
      filled = fillers.back().valid();
    }
  };
  fill();
  const auto address = loopback_address(server->port());
  const auto cpu_before = cpu_seconds_of_others();
  for (const auto& socket : waiting)
    CHECK(::connect(socket.get(), address.get(), address.length) == 0);
  const bool paused = eventually([&] {
    fill();
    return server->stats().accept_pauses >= 3;
  });
  const auto cpu_used = cpu_seconds_of_others() - cpu_before;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(paused);
  CHECK(cpu_used < 0.3);
  CHECK(eventually([&] { return server->stats().connections_accepted == 9; }));
  CHECK(echoes(client->local_port(), "after"));
}

TEST_CASE("a restarted peer gets in although its old connection still stands",
          "[tunnel][server][threads]") {
  cluster c;
  auto options = c.server_side();
  // The first one has all the time it may need for its answer.
  options.limits.probe_ms = patience_ms;
  auto server = take(server::start(options));
  auto first = take(client::start(c.client_side(server->port())));
  plain_client old{first->local_port()};
  REQUIRE(old.send("1"));
  REQUIRE(old.receive(1) == "1");
  auto reborn = c.client_side(server->port());
  reborn.self.incarnation = 201;
  auto second = take(client::start(reborn));
  // The first one lives and answers probes, so it stays.
  plain_client refused{second->local_port()};
  CHECK(refused.ended());
  CHECK(eventually([&] {
    return second->last_failure().find("duplicate_session")
           != std::string::npos;
  }));
  REQUIRE(old.send("2"));
  CHECK(old.receive(1) == "2");
  first->stop();
  CHECK(eventually([&] { return echoes(second->local_port(), "x"); }));
}

TEST_CASE("beyond the cap on streams a peer is told so",
          "[tunnel][server][threads]") {
  cluster c;
  auto options = c.server_side();
  options.max_connections = 2;
  auto server = take(server::start(options));
  auto client = take(client::start(c.client_side(server->port())));
  plain_client first{client->local_port()};
  plain_client second{client->local_port()};
  for (auto* each : {&first, &second}) {
    REQUIRE(each->send("x"));
    REQUIRE(each->receive(1) == "x");
  }
  plain_client third{client->local_port()};
  CHECK(third.ended());
  CHECK(eventually([&] {
    return server->stats().closed_for(reason::too_many_streams) == 1
           && client->stats().closed_for(reason::refused_by_peer) == 1;
  }));
  REQUIRE(first.send("y"));
  CHECK(first.receive(1) == "y");
}

TEST_CASE("renewed certificates are used, by order and by themselves",
          "[tunnel][server][threads]") {
  cluster c;
  auto server = take(server::start(c.server_side()));
  auto options = c.client_side(server->port());
  auto client = take(client::start(options));
  REQUIRE(echoes(client->local_port(), "old"));
  c.authority.issue(1);
  c.authority.issue(2);
  REQUIRE(server->reload_credentials());
  REQUIRE(client->reload_credentials());
  CHECK(echoes(client->local_port(), "new"));

  // A certificate whose end has come stops a client that does not notice.
  auto brief = c.authority.options_for(2);
  brief.starts_in_days = -10;
  brief.validity_days = 5;
  c.authority.issue(brief);
  CHECK(client->reload_credentials().code() == errc::config);
  CHECK(echoes(client->local_port(), "kept"));
  CHECK(eventually([&] {
    return echoes(client->local_port(), "kept")
           && client->last_failure().find("credentials kept")
                != std::string::npos;
  }));

  // A rotation of the authority: everybody has new files, nobody restarts.
  authority_options renewed;
  renewed.directory = c.authority.directory();
  renewed.force = true;
  REQUIRE(create_authority(renewed));
  c.authority.issue(1);
  c.authority.issue(2);
  CHECK(eventually([&] { return echoes(client->local_port(), "renewed"); }));
  std::filesystem::remove(options.files.key_file);
  CHECK(client->reload_credentials().code() == errc::config);
  CHECK(echoes(client->local_port(), "kept"));
}

TEST_CASE("options that cannot work are refused in words",
          "[tunnel][server][threads]") {
  cluster c;
  auto server_error = [&](auto change) {
    auto options = c.server_side();
    change(options);
    auto result = server::start(std::move(options));
    return result ? std::string{} : result.error().to_string();
  };
  auto client_error = [&](auto change) {
    auto options = c.client_side(1);
    change(options);
    auto result = client::start(std::move(options));
    return result ? std::string{} : result.error().to_string();
  };
  CHECK(server_error([](auto& o) { o.peers.clear(); }).find("tunnel peers")
        != std::string::npos);
  CHECK(server_error([](auto& o) {
          o.listen_address = "localhost";
        }).find("in numbers")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.basp_port = 0; }).find("basp.port")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.basp_host = "10.0.0.1"; }).find("loopback")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.self.id = 9; }).find("replica/9")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.self.cluster = ""; }).find("cluster name")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.limits.idle_ms = 0; }).find("idle_ms")
        != std::string::npos);
  CHECK(server_error([](auto& o) { o.max_connections = 0; }).find("limits")
        != std::string::npos);
  CHECK(client_error([](auto& o) { o.peer = 2; }).find("this node itself")
        != std::string::npos);
  CHECK(client_error([](auto& o) { o.peer_port = 0; }).find("peer port")
        != std::string::npos);
  CHECK(client_error([](auto& o) { o.peer_address = ""; }).find("peer address")
        != std::string::npos);
  auto blocker = take(server::start(c.server_side()));
  CHECK(
    server_error([&](auto& o) { o.listen_port = blocker->port(); }).find("E-IO")
    != std::string::npos);
}
