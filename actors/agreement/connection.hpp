// A connection between the agreement parts of two nodes, as a stream of frames.
//
// Purpose: keeps the bytes that wait on both sides of a non-blocking socket.
//
// Ownership and threads: owns the socket; one thread at a time.
//
// Invariants: at most `max_unsent_bytes` wait to be sent; a frame is looked at
// only when it is whole, and memory for it grows as its bytes arrive.
//
// Failure behaviour: `receive` and `send` answer false when the connection is
// of no use any more.
#pragma once

#include "actors/agreement/frames.hpp"
#include "actors/tunnel/sockets.hpp"

#include <cstddef>
#include <string>

namespace neuroplex::agreement {

class connection {
public:
  /// Beyond this the reader is taken for gone.
  static constexpr std::size_t max_unsent_bytes = std::size_t{128} << 20;

  connection() = default;

  explicit connection(tunnel::socket_handle socket)
    : socket_{std::move(socket)} {
  }

  [[nodiscard]] int descriptor() const noexcept {
    return socket_.get();
  }

  [[nodiscard]] bool open() const noexcept {
    return socket_.valid();
  }

  /// Frames are appended here, and leave with `send`.
  [[nodiscard]] std::string& output() noexcept {
    return output_;
  }

  [[nodiscard]] bool has_output() const noexcept {
    return sent_ < output_.size();
  }

  /// Sends as much as the socket takes.
  [[nodiscard]] bool send();

  /// Reads as much as is there, up to a bound.
  [[nodiscard]] bool receive();

  /// Takes the next whole frame; empty when there is none. `protocol`.
  [[nodiscard]] expected<raft::slice> next_frame();

private:
  tunnel::socket_handle socket_;
  std::string output_;
  std::size_t sent_ = 0;
  std::string input_;
  std::size_t taken_ = 0;
};

} // namespace neuroplex::agreement
