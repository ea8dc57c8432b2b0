// What both ends of the tunnel are once they run.
//
// Purpose: holds the relay of a server or client, and gives out what can be
// asked of either.
//
// Ownership and threads: owns the relay and with it its thread, which `stop` or
// the destructor joins. All member functions may be called from any thread.
//
// Failure behaviour: nothing fails as a whole; streams end under a counted
// reason, and `last_failure` has the latest one in words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/tunnel/stats.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

class relay;

class endpoint {
public:
  endpoint(const endpoint&) = delete;
  endpoint& operator=(const endpoint&) = delete;

  [[nodiscard]] tunnel::stats stats() const noexcept;

  /// Why the latest connection was refused or failed, in words; empty when none
  /// was.
  [[nodiscard]] std::string last_failure() const;

  /// Reads the credential files again; connections made from now on use them.
  /// After a failure the old ones stay in use.
  expected<void> reload_credentials();

  /// Ends all streams and the thread. Idempotent.
  void stop() noexcept;

protected:
  explicit endpoint(std::unique_ptr<relay> loop);
  ~endpoint();

  [[nodiscard]] std::uint16_t listening_port() const noexcept;

private:
  std::unique_ptr<relay> relay_;
};

} // namespace neuroplex::tunnel
