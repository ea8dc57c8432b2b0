// The RESP server: one thread, one epoll, all connections.
//
// Purpose: carries bytes between sockets and sessions. Local commands are
// executed on the segment by the loop thread itself; what belongs to other
// nodes comes back through `post`.
//
// Ownership: refers to a store (and a cluster) that must outlive it; owns its
// thread and its sockets. Threads: the public functions may be called from any
// thread; everything else happens on the loop thread.
//
// Invariants:
//  1. A connection's memory is bounded: unfinished input by the query limit,
//     unsent output by the output limit plus one reply, all connections
//     together by max_buffered_bytes.
//  2. A connection that takes no output while it has too much of it is closed.
//  3. Without free file descriptors no connection is accepted, nobody spins,
//     and those who are connected are served.
//
// Failure behaviour: `start` answers why it cannot listen. Later failures end
// one connection and are counted.
#pragma once

#include "actors/resp/service.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace neuroplex::resp {

struct server_options {
  /// Numeric address; only loopback unless the operator says otherwise.
  std::string address = "127.0.0.1";
  std::uint16_t port = 0; ///< 0 lets the system choose

  /// Input and output of all connections together; the connection that would
  /// exceed it is closed.
  std::uint64_t max_buffered_bytes = std::uint64_t{1} << 30;

  /// How long the loop asks for more work before it sleeps. Shortens the round
  /// trip of a lone client and costs that much processor time a pause.
  std::uint32_t spin_us = 0;

  service_options service;

  /// `errc::config` with the field named when a value is out of range.
  [[nodiscard]] expected<void> validate() const;
};

/// The counters of a server at one moment.
struct server_stats {
  std::uint16_t port = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t accept_pauses = 0;
  std::uint64_t commands = 0;
  std::uint64_t failed_commands = 0;
  std::uint64_t remote_commands = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t slow_readers_closed = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

class server {
public:
  /// Listens and starts the thread. `config`, or `io` with the reason.
  static expected<std::unique_ptr<server>>
  start(memory::store& data, server_options options, remote* cluster = nullptr);

  /// Stops and waits for the thread.
  ~server();

  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Closes all connections and ends the thread. Later calls do nothing.
  void stop() noexcept;

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] server_stats stats() const noexcept;

  /// Has `task` run by the loop thread; dropped when the server has stopped.
  void post(std::function<void()> task);

  /// Changes the password for connections that log in from now on.
  void set_password(std::string password);

private:
  class loop;

  explicit server(std::unique_ptr<loop> running) noexcept;

  std::unique_ptr<loop> loop_;
};

} // namespace neuroplex::resp
