#include "actors/tunnel/endpoint.hpp"

#include <utility>

#include "actors/tunnel/relay.hpp"

namespace neuroplex::tunnel {

endpoint::endpoint(std::unique_ptr<relay> loop) : relay_{std::move(loop)} {
}

endpoint::~endpoint() = default;

std::uint16_t endpoint::listening_port() const noexcept {
  return relay_->port();
}

tunnel::stats endpoint::stats() const noexcept {
  return relay_->stats();
}

std::string endpoint::last_failure() const {
  return relay_->last_failure();
}

expected<void> endpoint::reload_credentials() {
  return relay_->reload_credentials();
}

void endpoint::stop() noexcept {
  relay_->stop();
}

} // namespace neuroplex::tunnel
