#include "actors/resp/server.hpp"
#include "actors/resp/socket.hpp"
#include "actors/resp/store_fixture.test.hpp"
#include "memory/cpu_time.test.hpp"
#include "memory/eventually.test.hpp"
#include "memory/reserved_port.test.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

using namespace neuroplex;
using namespace neuroplex::resp;

namespace {

using memory::testing::cpu_seconds_of_others;
using memory::testing::eventually;

constexpr int deadline_ms = 60'000;

// A blocking client whose every wait has a deadline.
class tcp_client {
public:
  explicit tcp_client(std::uint16_t port, int receive_buffer = 0)
    : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    if (receive_buffer != 0)
      setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                 sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                        sizeof address)
                == 0;
  }

  // Sends all of it; false when the server is gone or takes nothing in time.
  bool send_all(std::string_view bytes, int wait_ms = deadline_ms) {
    while (!bytes.empty()) {
      pollfd ready{socket_.get(), POLLOUT, 0};
      if (poll(&ready, 1, wait_ms) != 1)
        return false;
      auto count = send(socket_.get(), bytes.data(), bytes.size(),
                        MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  // What arrives until there are `wanted` bytes, or the end of the stream.
  std::string receive(std::size_t wanted) {
    std::string result;
    std::vector<char> piece(1U << 16);
    while (result.size() < wanted) {
      pollfd ready{socket_.get(), POLLIN, 0};
      if (poll(&ready, 1, deadline_ms) != 1)
        return result + "<nothing in time>";
      auto count = recv(socket_.get(), piece.data(),
                        std::min(piece.size(), wanted - result.size()), 0);
      if (count <= 0)
        break;
      result.append(piece.data(), static_cast<std::size_t>(count));
    }
    return result;
  }

  std::string receive_to_end() {
    return receive(~std::size_t{0});
  }

  std::string ask(std::string_view text, std::size_t reply_bytes) {
    return send_all(text) ? receive(reply_bytes) : "<not sent>";
  }

  void end_of_input() {
    shutdown(socket_.get(), SHUT_WR);
  }

  bool connected = false;

private:
  descriptor socket_;
};

struct running_server {
  explicit running_server(server_options options = {})
    : data{testing::make_store(32U << 20)} {
    auto started = server::start(data, std::move(options));
    NEUROPLEX_ENSURE(started);
    gate = std::move(*started);
  }

  memory::store data;
  std::unique_ptr<server> gate;
};

} // namespace

TEST_CASE("A server answers over TCP on the port it chose", "[threads]") {
  running_server s;
  REQUIRE(s.gate->port() != 0);
  tcp_client client{s.gate->port()};
  CHECK(client.ask("PING\r\n", 7) == "+PONG\r\n");
  CHECK(client.ask("SET k v\r\nGET k\r\n", 12) == "+OK\r\n$1\r\nv\r\n");
  CHECK(client.ask("QUIT\r\n", 100) == "+OK\r\n");
  CHECK(eventually([&] { return s.gate->stats().connections_open == 0; }));
}

TEST_CASE("A second server on the same port is told why not", "[threads]") {
  running_server s;
  server_options options;
  options.port = s.gate->port();
  auto second = server::start(s.data, options);
  REQUIRE_FALSE(second);
  CHECK(second.code() == errc::io);
  CHECK(second.error().message().find("Address already in use")
        != std::string::npos);
  options.address = "localhost";
  CHECK(server::start(s.data, options).code() == errc::config);
}

TEST_CASE("A hundred thousand pipelined commands, then a cut, are answered",
          "[threads]") {
  running_server s;
  tcp_client client{s.gate->port()};
  constexpr int count = 100'000;
  std::string stream;
  std::string expected;
  for (int i = 1; i <= count; ++i) {
    stream += "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
    expected += ":" + std::to_string(i) + "\r\n";
  }
  stream += "*2\r\n$4\r\nINC"; // cut in the middle
  auto sender = std::async(std::launch::async, [&] {
    auto sent = client.send_all(stream);
    client.end_of_input();
    return sent;
  });
  CHECK(client.receive_to_end() == expected);
  CHECK(sender.get());
}

TEST_CASE("Broken lengths are answered and the connection closed",
          "[threads]") {
  running_server s;
  for (auto bytes : {"*-2\r\n", "*2147483648\r\n", "*1\r\n$-5\r\n",
                     "*1\r\n$536870913\r\n"}) {
    tcp_client client{s.gate->port()};
    REQUIRE(client.send_all(bytes));
    CHECK(client.receive_to_end().starts_with("-ERR Protocol error: invalid "));
  }
  tcp_client client{s.gate->port()};
  REQUIRE(client.send_all(std::string(bounds::max_line_bytes + 1, 'x')));
  CHECK(client.receive_to_end()
        == "-ERR Protocol error: too big inline request\r\n");
  CHECK(s.gate->stats().protocol_errors == 5);
  CHECK(tcp_client{s.gate->port()}.ask("PING\r\n", 7) == "+PONG\r\n");
}

TEST_CASE("A client that does not read is cut off, others are served",
          "[threads]") {
  server_options options;
  options.service.max_output_bytes = 1U << 20;
  options.service.output_stall_ms = 200;
  running_server s{options};
  std::string value(1U << 19, 'x');
  REQUIRE(s.data.set({}, "big", value) == errc::ok);
  tcp_client greedy{s.gate->port(), 4'096};
  tcp_client other{s.gate->port()};
  std::string gets;
  for (int i = 0; i < 2'000; ++i) // replies of 1 GiB
    gets += "GET big\r\n";
  REQUIRE(greedy.send_all(gets));
  CHECK(other.ask("PING\r\n", 7) == "+PONG\r\n");
  CHECK(eventually([&] { return s.gate->stats().slow_readers_closed == 1; }));
  CHECK(s.gate->stats().commands < 100);
  CHECK(other.ask("PING\r\n", 7) == "+PONG\r\n");
}

TEST_CASE("A client that reads slowly but does read gets everything",
          "[threads]") {
  server_options options;
  options.service.max_output_bytes = 1U << 16;
  running_server s{options};
  std::string value(1U << 15, 'x');
  REQUIRE(s.data.set({}, "k", value) == errc::ok);
  tcp_client client{s.gate->port(), 4'096};
  std::string gets;
  for (int i = 0; i < 200; ++i)
    gets += "GET k\r\n";
  REQUIRE(client.send_all(gets));
  client.end_of_input();
  CHECK(client.receive_to_end().size() == 200 * (value.size() + 10));
}

TEST_CASE("Large values come and go whole", "[threads]") {
  running_server s;
  tcp_client client{s.gate->port()};
  std::string value(5U << 20, 'v');
  auto header = "$" + std::to_string(value.size()) + "\r\n";
  auto set = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n" + header + value + "\r\n";
  CHECK(client.ask(set, 5) == "+OK\r\n");
  CHECK(client.ask("GET k\r\n", header.size() + value.size() + 2)
        == header + value + "\r\n");
}

TEST_CASE("A bulk string beyond the store's limit is refused before its bytes",
          "[threads]") {
  running_server s;
  tcp_client client{s.gate->port()};
  REQUIRE(client.send_all("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n"));
  CHECK(client.receive_to_end()
        == "-ERR Protocol error: invalid bulk length\r\n");
}

TEST_CASE("Above max_clients the door says so", "[threads]") {
  server_options options;
  options.service.max_clients = 2;
  running_server s{options};
  tcp_client first{s.gate->port()};
  tcp_client second{s.gate->port()};
  CHECK(first.ask("PING\r\n", 7) == "+PONG\r\n");
  CHECK(second.ask("PING\r\n", 7) == "+PONG\r\n");
  tcp_client third{s.gate->port()};
  CHECK(third.receive_to_end() == "-ERR max number of clients reached\r\n");
  CHECK(first.ask("PING\r\n", 7) == "+PONG\r\n");
}

TEST_CASE("Without descriptors accepting pauses and nobody spins",
          "[threads]") {
  running_server s;
  tcp_client before{s.gate->port()};
  CHECK(before.ask("PING\r\n", 7) == "+PONG\r\n");
  // Clients first, so that the limit hits only the server's accept.
  constexpr int client_count = 20;
  std::vector<descriptor> clients;
  clients.reserve(client_count);
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  for (int i = 0; i < client_count; ++i)
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  descriptor probe{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto tight = old;
  tight.rlim_cur = static_cast<rlim_t>(probe.get());
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(s.gate->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto begun = std::chrono::steady_clock::now();
  auto cpu_before = cpu_seconds_of_others();
  for (auto& one : clients)
    REQUIRE(
      connect(one.get(), reinterpret_cast<sockaddr*>(&address), sizeof address)
      == 0);
  // From before the first pause to the begin of the second one.
  CHECK(eventually([&] { return s.gate->stats().accept_pauses >= 2; }));
  std::chrono::duration<double> passed =
    std::chrono::steady_clock::now() - begun;
  CHECK(passed.count() > 0.5);
  CHECK(cpu_seconds_of_others() - cpu_before < 0.1 * passed.count() + 0.02);
  CHECK(before.ask("PING\r\n", 7) == "+PONG\r\n");
  setrlimit(RLIMIT_NOFILE, &old);
  CHECK(eventually(
    [&] { return s.gate->stats().connections_open == clients.size() + 1; }));
}

TEST_CASE("Connections that reset leave nothing behind", "[threads]") {
  running_server s;
  constexpr int tries = 500;
  for (int i = 0; i < tries; ++i) {
    tcp_client client{s.gate->port()};
    REQUIRE(client.connected);
    client.send_all(i % 2 == 0 ? "*3\r\n$3\r\nSET\r\n$1" : "PING\r\nGET");
  }
  CHECK(eventually([&] {
    auto stats = s.gate->stats();
    return stats.connections_accepted == tries && stats.connections_open == 0;
  }));
}

TEST_CASE("CLIENT KILL closes another connection", "[threads]") {
  running_server s;
  tcp_client victim{s.gate->port()};
  CHECK(victim.ask("CLIENT ID\r\n", 4) == ":1\r\n");
  tcp_client killer{s.gate->port()};
  CHECK(killer.ask("CLIENT KILL ID 1\r\n", 4) == ":1\r\n");
  CHECK(victim.receive_to_end().empty());
}

TEST_CASE("Idle connections are closed when asked for", "[threads]") {
  server_options options;
  options.service.idle_timeout_ms = 2'000;
  running_server s{options};
  tcp_client client{s.gate->port()};
  CHECK(client.ask("PING\r\n", 7) == "+PONG\r\n");
  CHECK(client.receive_to_end().empty());
}

TEST_CASE("A stopped server closes its connections and its port", "[threads]") {
  memory::testing::reserved_port own;
  server_options options;
  options.port = own.number();
  running_server s{options};
  tcp_client client{s.gate->port()};
  CHECK(client.ask("PING\r\n", 7) == "+PONG\r\n");
  auto port = s.gate->port();
  s.gate->stop();
  s.gate->stop();
  CHECK(client.receive_to_end().empty());
  CHECK_FALSE(tcp_client{port}.connected);
}
