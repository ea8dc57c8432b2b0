// One relayed connection as a state machine, without sockets or clock.
//
// Purpose: everything that a tunnel decides. Between the network side
// (ciphertext) and the local side (BASP), a stream authenticates the peer,
// speaks the tunnel's protocol, guards what goes to the local CAF, and keeps
// deadlines. The relay only moves bytes and opens connections.
//
//   server: shaking -> greeting -> connecting -> relaying -> closing
//   client: shaking -> greeting ---------------> relaying -> closing
//
// Ownership and threads: owned by one relay, used by its thread. Times are
// milliseconds of one steady clock and never go back.
//
// Invariants:
//  1. Nothing is added to `local_out` before the phase is `relaying`.
//  2. `wants_network` and `wants_local` are false while the queue that the read
//     would fill is above its limit, so that both queues are bounded by the
//     limit, one read and some control frames.
//  3. Once `closing`, the cause never changes, and no more is read for
//  relaying.
//  4. A session admitted and a node id claimed are given back by `finish`,
//     which the destructor calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/tunnel/basp_guard.hpp"
#include "actors/tunnel/byte_queue.hpp"
#include "actors/tunnel/frame.hpp"
#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/node_claims.hpp"
#include "actors/tunnel/options.hpp"
#include "actors/tunnel/session_table.hpp"
#include "actors/tunnel/stats.hpp"
#include "actors/tunnel/tls_channel.hpp"

namespace neuroplex::tunnel {

/// What all streams of a relay share; outlives them.
struct stream_settings {
  tls_role role = tls_role::server;
  node_identity self;
  stream_limits limits;
  /// Client: the replica that must be at the other end.
  replica_id peer = 0;
  /// Client: what the stream is for.
  service wanted = service::basp;
  /// Server: whether there is a `service::agreement` to relay to.
  bool serves_agreement = false;
  /// Server: who may connect, and who is connected. Null for a client.
  session_table* sessions = nullptr;
  std::shared_ptr<node_claims> claims;
};

class stream {
public:
  enum class phase : std::uint8_t {
    shaking,    ///< TLS handshake
    greeting,   ///< hello and welcome
    connecting, ///< server: admitted, waits for the local connection
    relaying,
    closing, ///< flushes, then ends
  };

  stream(const stream_settings& settings,
         std::shared_ptr<const tls_context> context, std::int64_t now_ms);
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  ~stream();

  // Events.

  /// The connection to the peer is there; a client starts to speak.
  void on_network_open(std::int64_t now_ms);
  void on_network(std::span<const std::byte> bytes, std::int64_t now_ms);
  void on_network_end(std::int64_t now_ms);
  /// The local connection is there (server).
  void on_local_open(std::int64_t now_ms);
  void on_local(std::span<const std::byte> bytes, std::int64_t now_ms);
  void on_local_end(std::int64_t now_ms);
  /// Deadlines; to be called every limits::tick_ms.
  void on_tick(std::int64_t now_ms);
  /// The peer has to answer within `probe_ms`.
  void probe(std::int64_t now_ms);
  /// Ends the stream for a cause found outside, such as a failed connect, and
  /// tells the peer when it can be told.
  void refuse(reason why, std::string detail, std::int64_t now_ms);
  /// Ends the stream without a word but TLS's own.
  void close(reason why, std::string detail, std::int64_t now_ms);
  /// Gives back what the stream holds in shared tables. Idempotent.
  void finish() noexcept;

  // Effects.

  [[nodiscard]] byte_queue& network_out() noexcept {
    return network_out_;
  }

  [[nodiscard]] byte_queue& local_out() noexcept {
    return local_out_;
  }

  [[nodiscard]] bool wants_network() const noexcept;
  [[nodiscard]] bool wants_local() const noexcept;

  /// Server: the local connection is due.
  [[nodiscard]] bool wants_local_open() const noexcept {
    return phase_ == phase::connecting;
  }

  // State.

  /// What it is relayed to; a server knows once it `wants_local_open`.
  [[nodiscard]] service wanted() const noexcept {
    return wanted_;
  }

  [[nodiscard]] phase state() const noexcept {
    return phase_;
  }

  [[nodiscard]] bool closing() const noexcept {
    return phase_ == phase::closing;
  }

  [[nodiscard]] reason cause() const noexcept {
    return cause_;
  }

  /// The cause in words.
  [[nodiscard]] const std::string& detail() const noexcept {
    return detail_;
  }

  /// When it began to close.
  [[nodiscard]] std::int64_t closing_since_ms() const noexcept {
    return closing_since_ms_;
  }

  /// The peer's replica id, once its certificate was found good.
  [[nodiscard]] std::optional<replica_id> peer() const noexcept {
    return peer_;
  }

  [[nodiscard]] std::uint64_t basp_frame_count() const noexcept {
    return guard_.frame_count();
  }

  /// Relayed payload bytes in each direction.
  [[nodiscard]] std::uint64_t bytes_from_peer() const noexcept {
    return bytes_from_peer_;
  }

  [[nodiscard]] std::uint64_t bytes_to_peer() const noexcept {
    return bytes_to_peer_;
  }

private:
  void check_peer(std::int64_t now_ms);
  void decode(std::int64_t now_ms);
  void on_control(frame_type type, std::span<const std::byte> payload,
                  std::int64_t now_ms);
  void on_hello(service wanted, std::span<const std::byte> payload,
                std::int64_t now_ms);
  void on_welcome(std::span<const std::byte> payload, std::int64_t now_ms);
  void on_data(std::span<const std::byte> payload, std::int64_t now_ms);
  void send_hello(frame_type type, std::int64_t now_ms);
  void send_frame(frame_type type, std::span<const std::byte> payload,
                  std::int64_t now_ms);
  void send_scratch(std::int64_t now_ms);
  void start_relaying(std::int64_t now_ms);

  /// Whether what goes to the local side is checked to be BASP.
  [[nodiscard]] bool inspects() const noexcept {
    return wanted_ == service::basp && settings_.limits.inspect_basp;
  }

  const stream_settings& settings_;
  std::shared_ptr<const tls_context> context_;
  /// Made at the first byte: a silent connection costs next to nothing.
  std::optional<tls_channel> channel_;
  frame_decoder decoder_;
  basp_guard guard_;
  byte_queue network_out_;
  byte_queue local_out_;
  std::vector<std::byte> plain_;
  frame_bytes scratch_;

  phase phase_ = phase::shaking;
  service wanted_ = service::basp;
  reason cause_ = reason::none;
  std::string detail_;
  std::optional<replica_id> peer_;
  bool admitted_ = false;
  bool node_claimed_ = false;

  std::int64_t started_ms_;
  std::int64_t heard_ms_;
  std::int64_t sent_ms_;
  std::int64_t relaying_since_ms_ = 0;
  /// When the guard last made progress, for half frames.
  std::int64_t progress_ms_ = 0;
  std::int64_t closing_since_ms_ = 0;
  std::int64_t certificate_end_ms_ = 0;
  std::optional<std::int64_t> probe_deadline_ms_;
  std::uint64_t bytes_from_peer_ = 0;
  std::uint64_t bytes_to_peer_ = 0;
};

} // namespace neuroplex::tunnel
