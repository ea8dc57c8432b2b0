#include "cli/cluster/free_ports.hpp"

#include <algorithm>
#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

// Linux takes ports for outgoing connections from 32768 upwards by default.
constexpr std::uint16_t first_port = 10'240;
constexpr std::uint16_t last_port = 32'767;
constexpr std::size_t tries_per_port = 200;

bool is_free(std::uint16_t port) {
  int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0)
    return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool bound =
    ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address)
    == 0;
  ::close(descriptor);
  return bound;
}

} // namespace

expected<std::vector<std::uint16_t>> find_free_ports(std::size_t count) {
  std::random_device seed;
  std::minstd_rand random{seed()};
  std::uniform_int_distribution<unsigned> draw{first_port, last_port};
  std::vector<std::uint16_t> ports;
  for (std::size_t tries = 0;
       ports.size() < count && tries < count * tries_per_port; ++tries) {
    auto port = static_cast<std::uint16_t>(draw(random));
    if (std::find(ports.begin(), ports.end(), port) == ports.end()
        && is_free(port))
      ports.push_back(port);
  }
  if (ports.size() < count)
    return failure{errc::too_many, "no free port between "
                                     + std::to_string(first_port) + " and "
                                     + std::to_string(last_port)
                                     + " on 127.0.0.1: stop some servers"};
  return ports;
}

} // namespace neuroplex::cli
