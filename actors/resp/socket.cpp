#include "actors/resp/socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::resp {

namespace {

constexpr int listen_backlog = 511;
constexpr int keepalive_seconds = 300;

std::string to_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string{text.data()} + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return "[" + std::string{text.data()}
           + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return "?:0";
}

template <class Ask>
std::string address_of(int socket, Ask ask) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
    return "?:0";
  return to_text(address);
}

void set_option(int socket, int level, int name, int value) noexcept {
  // Without the option the connection still works.
  static_cast<void>(setsockopt(socket, level, name, &value, sizeof value));
}

} // namespace

descriptor::~descriptor() {
  if (number_ >= 0)
    ::close(number_);
}

expected<descriptor> listen_on(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  auto where = address + ":" + std::to_string(port);
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found)
      != 0)
    return failure{errc::config, "resp listen address: " + address
                                   + ": a numeric IPv4 or IPv6 address"};
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard{found,
                                                           &freeaddrinfo};
  descriptor result{
    socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!result.open())
    return failure{errc::io,
                   "resp listen: " + where + ": " + system_reason("socket")};
  set_option(result.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(result.get(), found->ai_addr, found->ai_addrlen) != 0)
    return failure{errc::io,
                   "resp listen: " + where + ": " + system_reason("bind")};
  if (listen(result.get(), listen_backlog) != 0)
    return failure{errc::io,
                   "resp listen: " + where + ": " + system_reason("listen")};
  return result;
}

std::uint16_t local_port(int socket) noexcept {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
    return 0;
  // The port lies at the same place in both kinds of address.
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

std::string local_address(int socket) {
  return address_of(socket, getsockname);
}

std::string peer_address(int socket) {
  return address_of(socket, getpeername);
}

void prepare_connection(int socket) noexcept {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_seconds);
}

std::string system_reason(const char* call) {
  auto code = errno;
  return std::string{call} + ": " + std::generic_category().message(code);
}

} // namespace neuroplex::resp
