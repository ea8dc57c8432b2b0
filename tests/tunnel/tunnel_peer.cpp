// One end of a tunnel as a process of its own, for the network tests.
//
// usage: tunnel_peer authority <directory>
//        tunnel_peer issue <directory> <id> [<starts in days> <days>]
//        tunnel_peer serve <directory> <id> <address> <service port> <peers>
//                          <basp|bytes> <handshake ms> <idle ms>
//        tunnel_peer dial <directory> <id> <incarnation> <peer> <address>
//                         <port> <basp|bytes> <idle ms>
//        tunnel_peer echo
//
// serve, dial and echo print "ready <port>" and end with their input. Each line
// of it is answered with the counters, "name value" a line, and a line "end".
#include <array>
#include <charconv>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actors/tunnel/certificates.hpp"
#include "actors/tunnel/client.hpp"
#include "actors/tunnel/server.hpp"
#include "actors/tunnel/sockets.hpp"

using namespace neuroplex;
using namespace neuroplex::tunnel;

namespace {

constexpr int exit_use = 2;
constexpr int exit_refused = 3;

using arguments = std::vector<std::string>;

template <class Integer>
Integer number(const std::string& text) {
  Integer value{};
  const char* end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || stop != end) {
    std::cerr << "not a number: " << text << '\n';
    std::exit(exit_use);
  }
  return value;
}

int complain(const failure& what) {
  std::cerr << what.to_string() << '\n';
  return exit_refused;
}

credentials files_of(const std::string& directory, const std::string& id) {
  const std::filesystem::path path{directory};
  return {path / "ca.pem", path / ("replica-" + id + ".pem"),
          path / ("replica-" + id + ".key")};
}

void print(const tunnel::stats& s, const std::string& last_failure) {
  std::cout << "accepted " << s.connections_accepted << "\nopen "
            << s.connections_open << "\npending " << s.connections_pending
            << "\nestablished " << s.streams_established << "\npauses "
            << s.accept_pauses << "\nfrom_peers " << s.bytes_from_peers
            << "\nto_peers " << s.bytes_to_peers << "\nframes " << s.basp_frames
            << '\n';
  for (std::size_t i = 0; i < reason_count; ++i)
    if (s.closed[i] != 0)
      std::cout << reason_name(static_cast<reason>(i)) << ' ' << s.closed[i]
                << '\n';
  std::cout << "last_failure " << last_failure << "\nend" << std::endl;
}

template <class End>
int answer_until_input_ends(End& end, std::uint16_t port) {
  std::cout << "ready " << port << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    print(end.stats(), end.last_failure());
  end.stop();
  return 0;
}

int make_authority(const arguments& a) {
  authority_options options;
  options.directory = a.at(1);
  auto made = create_authority(options);
  return made ? 0 : complain(made.error());
}

int issue(const arguments& a) {
  node_certificate_options options;
  options.directory = a.at(1);
  options.authority_certificate_file = options.directory / "ca.pem";
  options.authority_key_file = options.directory / "ca.key";
  options.id = number<replica_id>(a.at(2));
  if (a.size() > 4) {
    options.starts_in_days = number<int>(a.at(3));
    options.validity_days = number<int>(a.at(4));
  }
  auto made = issue_node_certificate(options);
  return made ? 0 : complain(made.error());
}

int serve(const arguments& a) {
  server_options options;
  options.self = {"lab", number<replica_id>(a.at(2)), 1};
  options.files = files_of(a.at(1), a.at(2));
  options.listen_address = a.at(3);
  options.basp_port = number<std::uint16_t>(a.at(4));
  for (std::size_t start = 0; start <= a.at(5).size();) {
    const auto comma = std::min(a.at(5).find(',', start), a.at(5).size());
    options.peers.push_back(
      number<replica_id>(a.at(5).substr(start, comma - start)));
    start = comma + 1;
  }
  options.limits.inspect_basp = a.at(6) == "basp";
  options.limits.handshake_ms = number<std::int64_t>(a.at(7));
  options.limits.idle_ms = number<std::int64_t>(a.at(8));
  auto started = server::start(options);
  if (!started)
    return complain(started.error());
  return answer_until_input_ends(**started, (*started)->port());
}

int dial(const arguments& a) {
  client_options options;
  options.self = {"lab", number<replica_id>(a.at(2)),
                  number<std::uint64_t>(a.at(3))};
  options.files = files_of(a.at(1), a.at(2));
  options.peer = number<replica_id>(a.at(4));
  options.peer_address = a.at(5);
  options.peer_port = number<std::uint16_t>(a.at(6));
  options.limits.inspect_basp = a.at(7) == "basp";
  options.limits.idle_ms = number<std::int64_t>(a.at(8));
  auto started = client::start(options);
  if (!started)
    return complain(started.error());
  return answer_until_input_ends(**started, (*started)->local_port());
}

/// Sends back what comes on one connection, until it ends.
void echo_connection(socket_handle connection) {
  std::array<char, 65'536> buffer;
  for (;;) {
    const auto count =
      ::recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (count <= 0
        || ::send(connection.get(), buffer.data(),
                  static_cast<std::size_t>(count), MSG_NOSIGNAL)
             != count)
      return;
  }
}

/// A thread a connection, so that a peer that does not read holds up nobody.
int echo(const arguments&) {
  auto listener = listen_on(loopback_address(0));
  if (!listener)
    return complain(listener.error());
  std::cout << "ready " << local_port(listener->get()) << std::endl;
  for (;;) {
    std::array<pollfd, 2> entries{
      {{STDIN_FILENO, POLLIN, 0}, {listener->get(), POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), -1) < 0)
      return 1;
    // Threads that wait for a peer end with the process.
    if (entries[0].revents != 0)
      ::_exit(0);
    const int fd = ::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0)
      std::thread{echo_connection, socket_handle{fd}}.detach();
  }
}

struct command {
  std::size_t argument_count;
  int (*run)(const arguments&);
};

} // namespace

int main(int argc, char** argv) {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = std::min<rlim_t>(descriptors.rlim_max, 8'192);
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  const std::map<std::string, command> commands{
    {"authority", {2, make_authority}},
    {"issue", {3, issue}},
    {"serve", {9, serve}},
    {"dial", {9, dial}},
    {"echo", {1, echo}},
  };
  const arguments given{argv + 1, argv + argc};
  const auto found =
    given.empty() ? commands.end() : commands.find(given.front());
  if (found == commands.end() || given.size() < found->second.argument_count) {
    std::cerr << "usage: see the top of tunnel_peer.cpp\n";
    return exit_use;
  }
  return found->second.run(given);
}
