#include "actors/tunnel/server.hpp"

#include <algorithm>
#include <utility>

#include "actors/tunnel/relay.hpp"

namespace neuroplex::tunnel {

expected<void> server_options::validate() const {
  if (auto ok = self.validate(); !ok)
    return ok;
  if (auto ok = files.validate(); !ok)
    return ok;
  if (auto ok = limits.validate(); !ok)
    return ok;
  if (!numeric_host(listen_address))
    return failure{errc::config, "tunnel listen address: '" + listen_address
                                   + "': an IPv4 or IPv6 address in numbers"};
  if (!loopback_host(basp_host))
    return failure{errc::config, "basp.host: '" + basp_host
                                   + "': a loopback address in numbers"};
  if (basp_port == 0)
    return failure{errc::config, "basp.port: 0: the port that this "
                                 "node's CAF listens on"};
  if (agreement_port != 0 && origins == nullptr)
    return failure{errc::config, "tunnel origins: none: who listens on the "
                                 "port of agreement has to ask them"};
  if (peers.empty() && !any_peer_of_authority)
    return failure{errc::config, "tunnel peers: empty: name the replica ids "
                                 "that may connect, or allow any peer of the "
                                 "authority"};
  if (peers.size() > tunnel::limits::max_peers)
    return failure{errc::config, "tunnel peers: " + std::to_string(peers.size())
                                   + ": at most "
                                   + std::to_string(tunnel::limits::max_peers)};
  if (max_connections == 0 || max_pending == 0 || max_pending_per_address == 0
      || max_streams_per_peer == 0)
    return failure{errc::config, "tunnel connection limits: 0: at least 1"};
  return {};
}

server::server(std::unique_ptr<relay> loop) : endpoint{std::move(loop)} {
}

expected<std::unique_ptr<server>> server::start(server_options options) {
  if (auto ok = options.validate(); !ok)
    return ok.error();
  auto addresses = resolve(options.listen_address, options.listen_port, true);
  if (!addresses)
    return addresses.error();
  auto targets = resolve(options.basp_host, options.basp_port, true);
  if (!targets)
    return targets.error();
  relay_settings settings;
  settings.streams.role = tls_role::server;
  settings.streams.self = options.self;
  settings.streams.limits = options.limits;
  settings.streams.claims = options.claims != nullptr
                              ? options.claims
                              : std::make_shared<node_claims>();
  if (options.agreement_port != 0) {
    auto target = resolve(options.basp_host, options.agreement_port, true);
    if (!target)
      return target.error();
    settings.agreement_target = target->front();
    settings.origins = std::move(options.origins);
    settings.streams.serves_agreement = true;
  }
  settings.rules = {options.self.id, std::move(options.peers),
                    options.any_peer_of_authority,
                    options.max_streams_per_peer};
  std::sort(settings.rules.peers.begin(), settings.rules.peers.end());
  settings.listen_address = addresses->front();
  settings.targets = *std::move(targets);
  settings.max_connections = options.max_connections;
  settings.files = std::move(options.files);
  settings.max_pending = options.max_pending;
  settings.max_pending_per_address = options.max_pending_per_address;
  auto loop = relay::start(std::move(settings));
  if (!loop)
    return loop.error();
  return std::unique_ptr<server>{new server{*std::move(loop)}};
}

std::uint16_t server::port() const noexcept {
  return listening_port();
}

} // namespace neuroplex::tunnel
