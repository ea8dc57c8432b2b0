// What tests of whole nodes share: a directory in memory, options for a small
// node, the means to end one of its actors, and a plain TCP connection.
//
// Threads: one.
#pragma once

#include "actors/caf_compat.hpp"
#include "actors/client.hpp"
#include "actors/node.hpp"
#include "memory/eventually.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <caf/scoped_actor.hpp>

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>

namespace neuroplex::actors::testing {

using directory = memory::testing::temporary_directory;
using memory::testing::eventually;

/// How long a request may take on a busy machine.
constexpr std::uint32_t patience_ms = 60'000;

/// A small node that is alone and has no gateway.
inline config::node_options options_in(const directory& where) {
  config::node_options options;
  options.data_dir = where.path().string();
  options.worker_threads = 2;
  options.segment.segment_bytes = std::uint64_t{32} << 20;
  options.segment.huge_pages = false;
  options.basp.port = config::listen_port::any();
  options.resp.port = config::listen_port::none();
  options.placement.shards = 4;
  options.timeouts.request_ms = patience_ms;
  return options;
}

inline std::unique_ptr<node> start(const config::node_options& options,
                                   const replica_resolvers& resolvers = {}) {
  auto started = node::start(options, resolvers);
  if (!started)
    FAIL(started.error().to_string());
  return std::move(*started);
}

inline client attach(node& here) {
  auto made = client::attach(here, {.request_timeout_ms = patience_ms});
  if (!made)
    FAIL(made.error().to_string());
  return std::move(*made);
}

/// A TCP connection to a port of this host. Every wait for bytes has a
/// deadline.
class connection {
public:
  explicit connection(std::uint16_t port)
    : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    timeval patience{patience_ms / 1'000, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open_ =
      ::connect(socket_, reinterpret_cast<sockaddr*>(&where), sizeof where)
      == 0;
  }

  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  ~connection() {
    ::close(socket_);
  }

  [[nodiscard]] bool open() const noexcept {
    return open_;
  }

  /// Sends all of it; answers as many bytes as are expected, or what came
  /// before the end.
  std::string ask(std::string_view bytes, std::size_t reply_bytes) {
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
        != static_cast<ssize_t>(bytes.size()))
      return "(not sent)";
    return receive(reply_bytes);
  }

  std::string receive(std::size_t reply_bytes) {
    std::string reply(reply_bytes, '\0');
    auto count = ::recv(socket_, reply.data(), reply.size(), MSG_WAITALL);
    reply.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return reply;
  }

  /// The other side has closed.
  bool ended() {
    char byte = 0;
    return ::recv(socket_, &byte, 1, 0) == 0;
  }

private:
  int socket_;
  bool open_ = false;
};

/// How an actor ends: by force, or of an error of its own.
enum class ending : std::uint8_t { kill, error };

/// Ends a child of the node by name; false when there is none just now.
inline bool end_child(node& of, const std::string& name,
                      ending how = ending::kill) {
  caf::scoped_actor self{of.system()};
  auto ended = false;
  ask(&*self, of.handle(), milliseconds{patience_ms}, child_atom_v, name)
    .receive(
      [&](const caf::strong_actor_ptr& child) {
        if (how == ending::kill)
          kill(child);
        else
          self->send_exit(child, make_error(errc::internal));
        ended = true;
      },
      [](const caf::error&) {});
  return ended;
}

} // namespace neuroplex::actors::testing
