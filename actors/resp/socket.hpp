// Sockets as owned values, and the few things the server does with them.
//
// Purpose: keeps system calls and their error texts out of the event loop.
//
// Ownership: `descriptor` closes what it holds. Threads: none.
//
// Failure behaviour: `expected` with what, where and the system's reason.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace neuroplex::resp {

/// A file descriptor that is closed when its owner goes.
class descriptor {
public:
  descriptor() noexcept = default;

  explicit descriptor(int number) noexcept : number_{number} {
  }

  descriptor(descriptor&& other) noexcept
    : number_{std::exchange(other.number_, -1)} {
  }

  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  ~descriptor();

  [[nodiscard]] int get() const noexcept {
    return number_;
  }

  [[nodiscard]] bool open() const noexcept {
    return number_ >= 0;
  }

private:
  int number_ = -1;
};

/// A non-blocking listening socket on a numeric IPv4 or IPv6 address; port 0
/// lets the system choose. `config` for a bad address, `io` otherwise.
expected<descriptor> listen_on(const std::string& address, std::uint16_t port);

/// Port and address of this end, as "127.0.0.1:6379".
std::uint16_t local_port(int socket) noexcept;
std::string local_address(int socket);
std::string peer_address(int socket);

/// Settings of an accepted connection: no delay, keep-alive.
void prepare_connection(int socket) noexcept;

/// "accept: Too many open files" of the present errno.
std::string system_reason(const char* call);

} // namespace neuroplex::resp
