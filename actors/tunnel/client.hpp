// The side of the tunnel that reaches out to one peer.
//
// Purpose: listens on a port of 127.0.0.1 chosen by the system. Each local
// connection to it is carried over mutual TLS 1.3 to the peer's server. A node
// hands `("127.0.0.1", local_port())` to CAF in place of the peer's address.
//
// Ownership and threads: `start` makes one thread, `stop` or the destructor
// joins it. All member functions may be called from any thread.
//
// Invariants:
//  1. No byte of a local connection leaves before the server's certificate
//     named `peer` and its welcome arrived.
//  2. Only connections made by processes of this user are carried: any other
//     local user would speak in this node's name.
//  3. With `limits.inspect_basp`, only well-formed BASP from the peer reaches
//     the local CAF: a client is as easily ended by a bad handshake as a
//     server.
//
// Failure behaviour: `start` fails with errc::config or errc::io; an absent
// peer is no failure. A local connection whose peer cannot be reached, or
// refuses, is closed; `last_failure` says why.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/tunnel/endpoint.hpp"
#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/node_claims.hpp"
#include "actors/tunnel/options.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

struct client_options {
  node_identity self;
  credentials files;

  /// The replica that must be at the other end.
  replica_id peer = 0;
  /// What local connections are carried to there.
  service wanted = service::basp;
  /// Where the peer's tunnel server listens: an address in numbers, or a name.
  /// A name is looked up for the first connection, and again after a
  /// connection to all of its addresses failed.
  std::string peer_address;
  std::uint16_t peer_port = 0;

  stream_limits limits;
  std::size_t max_connections = limits::max_streams_per_peer;

  /// See server_options::claims.
  std::shared_ptr<node_claims> claims;

  [[nodiscard]] expected<void> validate() const;
};

class client : public endpoint {
public:
  static expected<std::unique_ptr<client>> start(client_options options);

  /// The port on 127.0.0.1 that stands for the peer.
  [[nodiscard]] std::uint16_t local_port() const noexcept;

private:
  explicit client(std::unique_ptr<relay> loop);
};

} // namespace neuroplex::tunnel
