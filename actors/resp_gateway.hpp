// The gateway for Redis clients as an actor of a node.
//
// Purpose: makes a RESP server of a node: keys of this node straight from its
// segment, keys of others through the cluster. The actor is the server's place
// among the actors: it answers what the server does, and ends with it.
//
// Ownership: `resp_gateway` owns server, threads and actor, refers to the node
// and must be gone before it. Threads: any.
//
// Failure behaviour: `start` answers why it cannot listen, or what is wrong
// with the password file. Later failures end one connection and are counted.
#pragma once

#include "actors/caf_compat.hpp"
#include "actors/messages.hpp"
#include "actors/node.hpp"
#include "actors/resp/server.hpp"
#include "memory/status.hpp"

#include <memory>

namespace neuroplex::actors {

/// A running gateway.
using resp_gateway_actor = interface_of<
  // What it has done so far: lines "name:value".
  answers<std::string>(stats_atom),
  // Closes all connections and the port, and ends the actor.
  answers<void>(halt_atom)>;

class resp_gateway {
public:
  /// Starts what the node's options ask for in `resp`. `config`, `bad_path` or
  /// `segment_mode` for the password file, `io` when the port is taken.
  static expected<std::unique_ptr<resp_gateway>> start(node& here);

  ~resp_gateway();

  resp_gateway(const resp_gateway&) = delete;
  resp_gateway& operator=(const resp_gateway&) = delete;

  /// Closes everything. Later calls do nothing.
  void stop() noexcept;

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] resp::server_stats stats() const noexcept;
  [[nodiscard]] const resp_gateway_actor& handle() const noexcept;

private:
  struct parts;

  explicit resp_gateway(std::unique_ptr<parts> inside) noexcept;

  std::unique_ptr<parts> inside_;
};

} // namespace neuroplex::actors
