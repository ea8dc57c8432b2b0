// One accepted socket with its session and buffers.
//
// Purpose: the state the event loop keeps a connection.
//
// Threads: the loop thread only.
#pragma once

#include "actors/resp/byte_buffer.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/socket.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace neuroplex::resp {

struct connection {
  connection(descriptor accepted, service& shared, client_identity identity)
    : socket{std::move(accepted)}, talk{shared, std::move(identity)} {
  }

  descriptor socket;
  session talk;
  byte_buffer input;  ///< received, not yet used
  byte_buffer output; ///< replied, not yet sent

  std::uint32_t interest = 0;    ///< epoll events asked for
  std::size_t counted_bytes = 0; ///< our share of the loop's buffered bytes
  std::int64_t progress_ms = 0;  ///< when output was last taken
  bool ended = false;            ///< the peer sends no more
  bool closed = false;           ///< waits for removal
  bool timed = false;            ///< counted among those with a deadline
};

} // namespace neuroplex::resp
