// The side of the tunnel that other hosts reach.
//
// Purpose: listens on an address of the host, authenticates whoever connects
// by mutual TLS 1.3, and relays the authenticated byte stream to the BASP port
// of this node on 127.0.0.1. CAF's own port is never reachable from outside.
//
// Ownership and threads: `start` makes one thread, `stop` or the destructor
// joins it. All member functions may be called from any thread.
//
// Invariants:
//  1. No byte reaches the local port before the peer's certificate, its name,
//     its hello and the list of peers were all found good.
//  2. With `limits.inspect_basp`, only whole, well-formed BASP headers reach
//     the local port (basp_guard.hpp).
//  3. A replica id has one session at a time: the streams of one incarnation.
//     A stream of another incarnation is refused while one of them lives; a
//     session whose streams no longer answer a probe ends, so that a peer that
//     lost its host comes back within `limits.probe_ms`.
//  4. Every connection has deadlines and bounded buffers (limits.hpp).
//
// Failure behaviour: `start` fails with errc::config (files, names, modes),
// errc::io (address in use). Afterwards nothing fails as a whole: streams end
// under a counted reason, and `last_failure` has the latest one in words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/tunnel/endpoint.hpp"
#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/node_claims.hpp"
#include "actors/tunnel/options.hpp"
#include "actors/tunnel/stream_origins.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

struct server_options {
  node_identity self;
  credentials files;

  /// Numeric IPv4 or IPv6 address; "0.0.0.0" listens on all of the host's.
  std::string listen_address = "127.0.0.1";
  /// 0 lets the system choose; see `server::port`.
  std::uint16_t listen_port = 0;
  /// Where this node's CAF listens, as the node's options name it: a loopback
  /// address in numbers, and a port.
  std::string basp_host = "127.0.0.1";
  std::uint16_t basp_port = 0;
  /// Where this node's agreement listens, on the same address; 0: nowhere.
  std::uint16_t agreement_port = 0;
  /// Told which replica is behind each connection to `agreement_port`; shared
  /// with who listens there.
  std::shared_ptr<stream_origins> origins;

  /// Replica ids that may connect. Empty is an error unless
  /// `any_peer_of_authority` says that every certificate of the authority may.
  std::vector<replica_id> peers;
  bool any_peer_of_authority = false;

  stream_limits limits;
  /// Authenticated connections.
  std::size_t max_connections = limits::max_connections;
  /// Connections that are not authenticated, yet or ever: they do not take the
  /// peers' places. At the cap accepting pauses.
  std::size_t max_pending = limits::max_pending;
  std::size_t max_pending_per_address = limits::max_pending_per_address;
  std::size_t max_streams_per_peer = limits::max_streams_per_peer;

  /// Shared by the server and all clients of a node, so that no peer can take
  /// another one's BASP node id. Null: the server keeps its own.
  std::shared_ptr<node_claims> claims;

  [[nodiscard]] expected<void> validate() const;
};

class server : public endpoint {
public:
  static expected<std::unique_ptr<server>> start(server_options options);

  /// The port that other hosts connect to.
  [[nodiscard]] std::uint16_t port() const noexcept;

private:
  explicit server(std::unique_ptr<relay> loop);
};

} // namespace neuroplex::tunnel
