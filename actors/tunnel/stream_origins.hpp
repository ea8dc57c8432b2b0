// Which replica is behind a local connection that the tunnel's server made.
//
// Purpose: what comes through the tunnel looks like any connection of this
// process. Who listens behind it asks here, by the port at the connection's
// other end, whose certificate was shown for it.
//
// Ownership and threads: shared by a server and who listens; all functions may
// be called from any thread; one mutex.
//
// Invariants: a port is written down before the first byte is relayed on its
// connection, and as long as the connection stands.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "actors/tunnel/identity.hpp"

namespace neuroplex::tunnel {

class stream_origins {
public:
  /// One connection, written down as long as this lives.
  class entry {
  public:
    entry(std::shared_ptr<stream_origins> where, std::uint16_t port,
          replica_id owner);
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry();

  private:
    std::shared_ptr<stream_origins> where_;
    std::uint16_t port_;
  };

  /// Nothing for a connection that the tunnel did not make.
  [[nodiscard]] std::optional<replica_id> of(std::uint16_t port) const;

private:
  mutable std::mutex mutex_;
  std::map<std::uint16_t, replica_id> owners_;
};

} // namespace neuroplex::tunnel
