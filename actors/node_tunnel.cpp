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

// False for the ends of a connection that are in order: the first ones.
bool is_refusal(tunnel::reason why) {
  return why > tunnel::reason::stopped;
}

void add(tunnel::stats& sum, const tunnel::stats& part) {
  sum.connections_accepted += part.connections_accepted;
  sum.connections_open += part.connections_open;
  sum.connections_pending += part.connections_pending;
  sum.streams_established += part.streams_established;
  sum.accept_pauses += part.accept_pauses;
  sum.bytes_from_peers += part.bytes_from_peers;
  sum.bytes_to_peers += part.bytes_to_peers;
  sum.basp_frames += part.basp_frames;
  for (std::size_t i = 0; i < sum.closed.size(); ++i)
    sum.closed[i] += part.closed[i];
}

} // namespace

expected<std::unique_ptr<node_tunnel>>
node_tunnel::open(const config::node_options& options,
                  std::uint64_t incarnation) {
  std::unique_ptr<node_tunnel> made{new node_tunnel};
  auto& result = *made;
  result.enabled_ = options.tunnel.enabled;
  auto& server = result.server_options_;
  server.self = {options.cluster, options.replica_id, incarnation};
  server.files = {options.tunnel.ca_file, options.tunnel.certificate_file,
                  options.tunnel.key_file};
  server.listen_address = options.tunnel.host;
  server.basp_host = options.basp.host;
  server.listen_port = options.tunnel.port.bind_number();
  server.limits = limits_of(options.tunnel);
  server.max_connections = options.tunnel.max_connections;
  server.claims = std::make_shared<tunnel::node_claims>();
  if (result.enabled_)
    server.origins = std::make_shared<tunnel::stream_origins>();
  const auto agrees = result.enabled_ && !options.agreed_namespaces().empty();
  for (const auto& peer : options.peers) {
    server.peers.push_back(peer.replica_id);
    if (agrees) {
      auto port = result.connect(peer, tunnel::service::agreement);
      if (!port)
        return port.error();
      result.dial_agreement_.push_back({peer.replica_id, "127.0.0.1", *port});
    }
    // Of two nodes the one with the larger id dials.
    if (peer.replica_id > options.replica_id)
      continue;
    if (!result.enabled_) {
      result.dial_.push_back({peer.replica_id, peer.host, peer.port});
      continue;
    }
    auto port = result.connect(peer, tunnel::service::basp);
    if (!port)
      return port.error();
    result.dial_.push_back({peer.replica_id, "127.0.0.1", *port});
  }
  return made;
}

expected<std::uint16_t> node_tunnel::connect(const config::peer_options& peer,
                                             tunnel::service wanted) {
  tunnel::client_options client;
  client.self = server_options_.self;
  client.files = server_options_.files;
  client.peer = peer.replica_id;
  client.wanted = wanted;
  client.peer_address = peer.host;
  client.peer_port = peer.port;
  client.limits = server_options_.limits;
  client.claims = server_options_.claims;
  auto started = tunnel::client::start(std::move(client));
  if (!started)
    return started.error();
  clients_.push_back(std::move(*started));
  return clients_.back()->local_port();
}

expected<void> node_tunnel::listen(std::uint16_t basp_port,
                                   std::uint16_t agreement_port) {
  // Without peers there is nobody to let in.
  if (!enabled_ || server_options_.peers.empty())
    return {};
  server_options_.basp_port = basp_port;
  server_options_.agreement_port = agreement_port;
  auto started = tunnel::server::start(server_options_);
  if (!started)
    return started.error();
  std::lock_guard guard{mutex_};
  server_ = std::move(*started);
  return {};
}

tunnel_report node_tunnel::report() const {
  tunnel_report result;
  result.enabled = enabled_;
  tunnel::stats sum;
  for (const auto& client : clients_) {
    add(sum, client->stats());
    result.last_failure = client->last_failure();
  }
  {
    std::lock_guard guard{mutex_};
    if (server_) {
      result.port = server_->port();
      add(sum, server_->stats());
      if (auto text = server_->last_failure(); !text.empty())
        result.last_failure = std::move(text);
    }
  }
  result.connections_accepted = sum.connections_accepted;
  result.connections_open = sum.connections_open;
  result.connections_pending = sum.connections_pending;
  result.streams_established = sum.streams_established;
  result.accept_pauses = sum.accept_pauses;
  result.bytes_from_peers = sum.bytes_from_peers;
  result.bytes_to_peers = sum.bytes_to_peers;
  result.frames = sum.basp_frames;
  for (std::size_t i = 0; i < sum.closed.size(); ++i) {
    auto why = static_cast<tunnel::reason>(i);
    if (sum.closed[i] != 0)
      result.endings.push_back({.reason = std::string{reason_name(why)},
                                .refused = is_refusal(why),
                                .count = sum.closed[i]});
  }
  return result;
}

void node_tunnel::stop() noexcept {
  if (server_)
    server_->stop();
  for (auto& client : clients_)
    client->stop();
}

} // namespace neuroplex::actors
