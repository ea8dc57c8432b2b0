#include "actors/node_tunnel.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

tunnel::stream_limits limits_of(const config::tunnel_options& options) {
  tunnel::stream_limits limits;
  limits.handshake_ms = options.handshake_timeout_ms;
  limits.idle_ms = options.idle_timeout_ms;
  limits.basp_payload_bytes =
    static_cast<std::uint32_t>(options.max_frame_bytes);
  limits.basp_app_identifiers = {application_identifier};
  return limits;
}

} // namespace

expected<node_tunnel> node_tunnel::open(const config::node_options& options,
                                        std::uint64_t incarnation) {
  node_tunnel result;
  result.enabled_ = options.tunnel.enabled;
  auto& server = result.server_options_;
  server.self = {options.cluster, options.replica_id, incarnation};
  server.files = {options.tunnel.ca_file, options.tunnel.certificate_file,
                  options.tunnel.key_file};
  server.listen_address = options.tunnel.host;
  server.listen_port = options.tunnel.port.bind_number();
  server.limits = limits_of(options.tunnel);
  server.max_connections = options.tunnel.max_connections;
  server.claims = std::make_shared<tunnel::node_claims>();
  for (const auto& peer : options.peers) {
    server.peers.push_back(peer.replica_id);
    // Of two nodes the one with the larger id dials.
    if (peer.replica_id > options.replica_id)
      continue;
    if (!result.enabled_) {
      result.dial_.push_back({peer.replica_id, peer.host, peer.port});
      continue;
    }
    tunnel::client_options client;
    client.self = server.self;
    client.files = server.files;
    client.peer = peer.replica_id;
    client.peer_address = peer.host;
    client.peer_port = peer.port;
    client.limits = server.limits;
    client.claims = server.claims;
    auto started = tunnel::client::start(std::move(client));
    if (!started)
      return started.error();
    result.dial_.push_back(
      {peer.replica_id, "127.0.0.1", (*started)->local_port()});
    result.clients_.push_back(std::move(*started));
  }
  return result;
}

expected<void> node_tunnel::listen(std::uint16_t basp_port) {
  // Without peers there is nobody to let in.
  if (!enabled_ || server_options_.peers.empty())
    return {};
  server_options_.basp_port = basp_port;
  auto started = tunnel::server::start(server_options_);
  if (!started)
    return started.error();
  server_ = std::move(*started);
  return {};
}

void node_tunnel::stop() noexcept {
  if (server_)
    server_->stop();
  for (auto& client : clients_)
    client->stop();
}

} // namespace neuroplex::actors
