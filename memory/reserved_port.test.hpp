// How tests come by a port that must be known before anybody listens on it, or
// that must stay closed.
//
// Ownership: the port belongs to the object and to whoever it is told.
#pragma once

#include "memory/status.hpp"

#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::memory::testing {

/// A TCP port of 127.0.0.1 that is bound but not listened on. The system gives
/// it to nobody else, be it to listen or to connect from; a server that is told
/// its number and sets SO_REUSEADDR, as ours do, can listen on it, any number
/// of times. While none does, who connects is refused.
class reserved_port {
public:
  reserved_port() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    NEUROPLEX_ENSURE(
      ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
      && ::bind(socket_, generic, length) == 0
      && ::getsockname(socket_, generic, &length) == 0);
    number_ = ntohs(address.sin_port);
  }

  reserved_port(const reserved_port&) = delete;
  reserved_port& operator=(const reserved_port&) = delete;

  ~reserved_port() {
    ::close(socket_);
  }

  [[nodiscard]] std::uint16_t number() const noexcept {
    return number_;
  }

private:
  int socket_;
  std::uint16_t number_ = 0;
};

} // namespace neuroplex::memory::testing
