// A loopback port that is ours.
//
// Purpose: nodes of a local cluster must know one another's ports before they
// start, and a node that is down for a while must find its port free when it
// comes back. A port that is bound but not listened on is given to nobody else,
// be it to listen or to connect from; a node sets SO_REUSEADDR, as this object
// does, and so it can listen on the port all the same.
//
// Ownership and threads: holds the port until it is destroyed; one thread.
//
// Failure behaviour: `too_many` when the system has no port left.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <utility>

namespace neuroplex::cli {

class reserved_port {
public:
  /// A port of 127.0.0.1 that the system picks.
  [[nodiscard]] static expected<reserved_port> make();

  reserved_port(reserved_port&& other) noexcept
    : socket_{std::exchange(other.socket_, -1)}, number_{other.number_} {
  }

  reserved_port& operator=(reserved_port&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(number_, other.number_);
    return *this;
  }

  ~reserved_port();

  [[nodiscard]] std::uint16_t number() const noexcept {
    return number_;
  }

private:
  explicit reserved_port(int socket) noexcept : socket_{socket} {
  }

  int socket_;
  std::uint16_t number_ = 0;
};

} // namespace neuroplex::cli
