// One TLS connection without a socket.
//
// Purpose: the TLS state machine between two queues. Ciphertext that came from
// the network goes in, plaintext comes out, and the other way round; whoever
// owns the channel moves the bytes.
//
// Ownership and threads: owned by one stream, used by one thread. Keeps its
// `tls_context` alive.
//
// Invariants:
//  1. `open()` is true only after a mutual handshake in which the peer's chain
//     was found good; who the peer is must still be asked of `peer()`.
//  2. Each call uses up its input. What it appends is bounded by the input,
//     but for a fixed amount (handshake flights, alerts).
//  3. After a failure the channel does nothing but hold `cause()`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/tunnel/byte_queue.hpp"
#include "actors/tunnel/stats.hpp"
#include "actors/tunnel/tls_context.hpp"

struct ssl_st;

namespace neuroplex::tunnel {

enum class tls_role : std::uint8_t { server, client };

class tls_channel {
public:
  /// What the peer's certificate says.
  struct peer_facts {
    std::optional<replica_id> id;
    std::int64_t seconds_left = 0;
  };

  static expected<tls_channel> make(std::shared_ptr<const tls_context> context,
                                    tls_role role);

  tls_channel(tls_channel&& other) noexcept;
  tls_channel& operator=(tls_channel&& other) noexcept;
  ~tls_channel();

  /// A client's first flight.
  void start(byte_queue& cipher_out);

  /// Takes ciphertext; appends plaintext, and answers that TLS itself sends.
  void feed(std::span<const std::byte> cipher,
            std::vector<std::byte>& plain_out, byte_queue& cipher_out);

  /// Encrypts; only when open.
  void send(std::span<const std::byte> plain, byte_queue& cipher_out);

  /// Says that nothing will follow.
  void close(byte_queue& cipher_out);

  [[nodiscard]] bool open() const noexcept {
    return open_;
  }

  /// Whether the peer said that nothing will follow.
  [[nodiscard]] bool peer_closed() const noexcept {
    return peer_closed_;
  }

  [[nodiscard]] reason cause() const noexcept {
    return cause_;
  }

  /// The failure in words.
  [[nodiscard]] const std::string& detail() const noexcept {
    return detail_;
  }

  [[nodiscard]] peer_facts peer() const;

private:
  tls_channel(std::shared_ptr<const tls_context> context,
              ssl_st* native) noexcept;

  void shake_hands(byte_queue& cipher_out);
  void drain(byte_queue& cipher_out);
  void fail();

  std::shared_ptr<const tls_context> context_;
  ssl_st* native_;
  bool open_ = false;
  bool peer_closed_ = false;
  reason cause_ = reason::none;
  std::string detail_;
};

} // namespace neuroplex::tunnel
