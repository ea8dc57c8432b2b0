// The tunnel of one node: a server for those who dial us, and a client for
// each peer that we dial.
//
// Purpose: turns the options of a node into running tunnel ends, and tells at
// which local address each peer is dialled. Where a namespace is agreed on, a
// second client for each peer carries what agreement sends to it.
//
// Ownership and threads: owns the ends and their threads; used by one thread.
//
// Failure behaviour: `config` and `io`, as the ends answer them. What is not
// enabled does nothing and dials peers directly.
#pragma once

#include "actors/messages.hpp"
#include "actors/peer_link.hpp"
#include "actors/tunnel/client.hpp"
#include "actors/tunnel/server.hpp"
#include "config/node_options.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace neuroplex::actors {

class node_tunnel {
public:
  /// Starts the clients.
  static expected<std::unique_ptr<node_tunnel>>
  open(const config::node_options& options, std::uint64_t incarnation);

  /// Starts the server, which leads to our listener for actor messages, and to
  /// that of agreement unless its port is 0.
  expected<void> listen(std::uint16_t basp_port, std::uint16_t agreement_port);

  /// Where to dial each peer that this node dials.
  [[nodiscard]] const std::vector<peer_address>& dial() const noexcept {
    return dial_;
  }

  /// Where agreement reaches each peer, on the local host; empty when it does
  /// not go through the tunnel.
  [[nodiscard]] const std::vector<peer_address>&
  dial_agreement() const noexcept {
    return dial_agreement_;
  }

  /// Whose connections come from the server; null when the tunnel is off.
  [[nodiscard]] std::shared_ptr<const tunnel::stream_origins>
  origins() const noexcept {
    return server_options_.origins;
  }

  /// The port that other hosts reach; 0 when there is none.
  [[nodiscard]] std::uint16_t port() const noexcept {
    return server_ ? server_->port() : 0;
  }

  /// The figures of all ends, added up.
  [[nodiscard]] tunnel_report report() const;

  void stop() noexcept;

private:
  node_tunnel() = default;

  /// A client for a peer; the port that stands for it.
  expected<std::uint16_t> connect(const config::peer_options& peer,
                                  tunnel::service wanted);

  tunnel::server_options server_options_;
  bool enabled_ = false;
  std::vector<peer_address> dial_;
  std::vector<peer_address> dial_agreement_;
  std::vector<std::unique_ptr<tunnel::client>> clients_;
  mutable std::mutex mutex_;               // for the pointer that follows
  std::unique_ptr<tunnel::server> server_; // null until it listens
};

} // namespace neuroplex::actors
