// The TLS settings and credentials of a node.
//
// Purpose: reads the three files once, refuses what would fail or be unsafe
// later, and holds what every channel shares: TLS 1.3 only, a certificate asked
// from both sides, trust in the cluster's authority alone, no resumption (so
// that each connection is checked anew).
//
// Ownership and threads: immutable after `load`; shared by pointer; any thread.
//
// Invariants:
//  1. The own certificate names the node's replica id, is inside its validity,
//  matches its key
//     and is signed by the authority.
//  2. The system's authorities are never consulted.
//
// Failure behaviour: errc::config with the file and what to do; the content of
// a key file never becomes part of a message.
#pragma once

#include <memory>

#include "actors/tunnel/identity.hpp"
#include "memory/status.hpp"

struct ssl_ctx_st;

namespace neuroplex::tunnel {

class tls_context {
public:
  /// Reads the files of the node that is replica `id`.
  static expected<std::shared_ptr<const tls_context>>
  load(const credentials& files, replica_id id);

  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;
  ~tls_context();

  [[nodiscard]] ssl_ctx_st* native() const noexcept {
    return native_;
  }

private:
  explicit tls_context(ssl_ctx_st* native) noexcept : native_{native} {
  }

  ssl_ctx_st* native_;
};

} // namespace neuroplex::tunnel
