// The few socket calls that the relay needs, with errors as values.
// Included by sources of this folder, of actors/agreement and of cli/cluster.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "memory/status.hpp"

namespace neuroplex::tunnel {

/// A descriptor that closes itself.
class socket_handle {
public:
  socket_handle() = default;

  explicit socket_handle(int fd) noexcept : fd_{fd} {
  }

  socket_handle(socket_handle&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)} {
  }

  socket_handle& operator=(socket_handle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~socket_handle() {
    reset();
  }

  void reset() noexcept;

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }

  [[nodiscard]] bool valid() const noexcept {
    return fd_ >= 0;
  }

private:
  int fd_ = -1;
};

/// An address to bind or connect to.
struct socket_address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }

  [[nodiscard]] sockaddr* get() noexcept {
    return reinterpret_cast<sockaddr*>(&storage);
  }

  /// The host in numbers, without the port.
  [[nodiscard]] std::string host() const;

  [[nodiscard]] std::uint16_t port() const noexcept;
};

socket_address loopback_address(std::uint16_t port);

/// Whether `host` is an address in numbers.
bool numeric_host(const std::string& host);

/// Whether `host` is such an address of the loopback interface.
bool loopback_host(const std::string& host);

/// All addresses of a host; `numeric` forbids the resolver.
expected<std::vector<socket_address>> resolve(const std::string& host,
                                              std::uint16_t port, bool numeric);

/// A non-blocking listener.
expected<socket_handle> listen_on(const socket_address& address);

/// A non-blocking connect that was begun; the outcome comes as writability.
expected<socket_handle> connect_to(const socket_address& address);

/// The error that a finished connect left; 0 when it succeeded.
int pending_error(int fd) noexcept;

std::uint16_t local_port(int fd) noexcept;

/// Sends without delay for small writes.
void set_no_delay(int fd) noexcept;

/// Whether the process at the other end of an accepted loopback connection
/// runs as this user (or root).
bool same_user(int accepted_fd);

} // namespace neuroplex::tunnel
