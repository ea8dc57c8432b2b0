#include "actors/tunnel/client.hpp"

#include <utility>

#include "actors/tunnel/relay.hpp"

namespace neuroplex::tunnel {

expected<void> client_options::validate() const {
  if (auto ok = self.validate(); !ok)
    return ok;
  if (auto ok = files.validate(); !ok)
    return ok;
  if (auto ok = limits.validate(); !ok)
    return ok;
  if (peer == self.id)
    return failure{errc::config, "tunnel peer: " + std::to_string(peer)
                                   + ": is this node itself"};
  if (peer_address.empty())
    return failure{errc::config, "tunnel peer address: empty: the address of "
                                 "replica "
                                   + std::to_string(peer)};
  if (peer_port == 0)
    return failure{errc::config, "tunnel peer port: 0: 1..65535"};
  if (max_connections == 0)
    return failure{errc::config, "tunnel connection limit: 0: at least 1"};
  return {};
}

client::client(std::unique_ptr<relay> loop) : endpoint{std::move(loop)} {
}

expected<std::unique_ptr<client>> client::start(client_options options) {
  if (auto ok = options.validate(); !ok)
    return ok.error();
  relay_settings settings;
  settings.streams.role = tls_role::client;
  settings.streams.self = options.self;
  settings.streams.limits = options.limits;
  settings.streams.peer = options.peer;
  settings.streams.wanted = options.wanted;
  settings.streams.claims = std::move(options.claims);
  settings.listen_address = loopback_address(0);
  if (auto numeric = resolve(options.peer_address, options.peer_port, true);
      numeric)
    settings.targets = *std::move(numeric);
  else
    settings.target_name = {options.peer_address, options.peer_port};
  settings.files = std::move(options.files);
  settings.max_connections = options.max_connections;
  settings.max_pending = options.max_connections;
  auto loop = relay::start(std::move(settings));
  if (!loop)
    return loop.error();
  return std::unique_ptr<client>{new client{*std::move(loop)}};
}

std::uint16_t client::local_port() const noexcept {
  return listening_port();
}

} // namespace neuroplex::tunnel
