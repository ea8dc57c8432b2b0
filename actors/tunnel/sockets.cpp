#include "actors/tunnel/sockets.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace neuroplex::tunnel {

namespace {

failure system_failure(const std::string& what) {
  return {errc::io, what + ": " + std::strerror(errno)};
}

std::string address_text(const socket_address& address) {
  return address.host() + " port " + std::to_string(address.port());
}

/// The owner of the socket whose own port is `port` and that is connected to
/// `remote_port`, as a table of the kernel's in /proc/net has it; -1 if none.
long long socket_owner(const char* table, std::uint16_t port,
                       std::uint16_t remote_port) {
  std::ifstream input{table};
  std::string line;
  std::getline(input, line); // The heading.
  // Host part as the kernel prints it (IPv4, or mapped into IPv6): loopback.
  constexpr std::string_view loopback = "0100007F";
  auto matches = [&](std::string_view text, std::uint16_t wanted) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos
        || !text.substr(0, colon).ends_with(loopback))
      return false;
    std::uint16_t value = 0;
    const auto digits = text.substr(colon + 1);
    auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return code == std::errc{} && end == digits.data() + digits.size()
           && value == wanted;
  };
  while (std::getline(input, line)) {
    // sl, local, remote, state, queues, timer, retransmits, uid, ...
    std::istringstream fields{line};
    std::string number;
    std::string local;
    std::string remote;
    std::string skipped;
    long long uid = -1;
    fields >> number >> local >> remote >> skipped >> skipped >> skipped
      >> skipped >> uid;
    if (fields && matches(local, port) && matches(remote, remote_port))
      return uid;
  }
  return -1;
}

} // namespace

void socket_handle::reset() noexcept {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

std::string socket_address::host() const {
  char text[NI_MAXHOST] = "";
  if (::getnameinfo(get(), length, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST)
      != 0)
    return "?";
  return text;
}

std::uint16_t socket_address::port() const noexcept {
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

socket_address loopback_address(std::uint16_t port) {
  socket_address result;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&result.storage, &address, sizeof(address));
  result.length = sizeof(address);
  return result;
}

bool numeric_host(const std::string& host) {
  return static_cast<bool>(resolve(host, 1, true));
}

bool loopback_host(const std::string& host) {
  auto found = resolve(host, 1, true);
  if (!found)
    return false;
  const auto& storage = found->front().storage;
  if (storage.ss_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK(
      &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
  const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
  return (ntohl(address.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

expected<std::vector<socket_address>>
resolve(const std::string& host, std::uint16_t port, bool numeric) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  const int code =
    ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0)
    return failure{errc::config,
                   "tunnel address: '" + host + "': " + ::gai_strerror(code)};
  std::vector<socket_address> result;
  for (auto* next = found; next != nullptr; next = next->ai_next) {
    socket_address address;
    std::memcpy(&address.storage, next->ai_addr, next->ai_addrlen);
    address.length = next->ai_addrlen;
    result.push_back(address);
  }
  ::freeaddrinfo(found);
  if (result.empty())
    return failure{errc::config, "tunnel address: '" + host + "': no address"};
  return result;
}

expected<socket_handle> listen_on(const socket_address& address) {
  socket_handle result{::socket(address.storage.ss_family,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  const int on = 1;
  if (!result.valid()
      || ::setsockopt(result.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))
           != 0
      || ::bind(result.get(), address.get(), address.length) != 0
      || ::listen(result.get(), SOMAXCONN) != 0)
    return system_failure("tunnel listener: " + address_text(address));
  return result;
}

expected<socket_handle> connect_to(const socket_address& address) {
  socket_handle result{::socket(address.storage.ss_family,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!result.valid())
    return system_failure("tunnel socket");
  set_no_delay(result.get());
  if (::connect(result.get(), address.get(), address.length) != 0
      && errno != EINPROGRESS)
    return system_failure(address_text(address));
  return result;
}

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
    return errno;
  return error;
}

std::uint16_t local_port(int fd) noexcept {
  socket_address address;
  address.length = sizeof(address.storage);
  if (::getsockname(fd, address.get(), &address.length) != 0)
    return 0;
  return address.port();
}

void set_no_delay(int fd) noexcept {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool same_user(int accepted_fd) {
  socket_address peer;
  peer.length = sizeof(peer.storage);
  if (::getpeername(accepted_fd, peer.get(), &peer.length) != 0)
    return false;
  const auto own_port = local_port(accepted_fd);
  // The thread's own view, since threads may live in other network namespaces.
  for (const char* table :
       {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    const auto owner = socket_owner(table, peer.port(), own_port);
    if (owner >= 0)
      return owner == 0 || static_cast<uid_t>(owner) == ::geteuid();
  }
  return false;
}

} // namespace neuroplex::tunnel
