#include "cli/cluster/reserved_port.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::cli {

expected<reserved_port> reserved_port::make() {
  reserved_port made{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof address;
  if (made.socket_ < 0
      || ::setsockopt(made.socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)
           != 0
      || ::bind(made.socket_, generic, length) != 0
      || ::getsockname(made.socket_, generic, &length) != 0)
    return failure{errc::too_many, std::string{"no free port on 127.0.0.1: "}
                                     + std::strerror(errno)
                                     + ": stop some servers"};
  made.number_ = ntohs(address.sin_port);
  return made;
}

reserved_port::~reserved_port() {
  if (socket_ >= 0)
    ::close(socket_);
}

} // namespace neuroplex::cli
