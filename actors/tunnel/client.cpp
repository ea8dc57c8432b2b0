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

client::client(client_options options, std::unique_ptr<relay> loop)
  : options_{std::move(options)}, relay_{std::move(loop)} {
}

client::~client() = default;

expected<std::unique_ptr<client>> client::start(client_options options) {
  if (auto ok = options.validate(); !ok)
    return ok.error();
  auto context = tls_context::load(options.files, options.self.id);
  if (!context)
    return context.error();
  relay_settings settings;
  settings.streams.role = tls_role::client;
  settings.streams.self = options.self;
  settings.streams.limits = options.limits;
  settings.streams.peer = options.peer;
  settings.streams.claims = options.claims;
  settings.listen_address = loopback_address(0);
  if (auto numeric = resolve(options.peer_address, options.peer_port, true);
      numeric)
    settings.targets = *std::move(numeric);
  else
    settings.target_name = {options.peer_address, options.peer_port};
  settings.files = options.files;
  settings.max_connections = options.max_connections;
  settings.max_pending = options.max_connections;
  auto loop = relay::start(std::move(settings), *context);
  if (!loop)
    return loop.error();
  return std::unique_ptr<client>{
    new client{std::move(options), *std::move(loop)}};
}

std::uint16_t client::local_port() const noexcept {
  return relay_->port();
}

tunnel::stats client::stats() const noexcept {
  return relay_->stats();
}

std::string client::last_failure() const {
  return relay_->last_failure();
}

expected<void> client::reload_credentials() {
  auto context = tls_context::load(options_.files, options_.self.id);
  if (!context)
    return context.error();
  relay_->use(*context);
  return {};
}

void client::stop() noexcept {
  relay_->stop();
}

} // namespace neuroplex::tunnel
