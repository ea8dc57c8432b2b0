// Which replica speaks for which BASP node id.
//
// Purpose: CAF believes the node id that a BASP handshake names, and routes by
// it. A peer that names another peer's id would receive its messages. The
// guards of all streams of a node therefore claim the id for the replica that
// the certificate names, and a claim of an id that another replica holds fails.
//
// Threads: all functions may be called from any thread; one mutex.
//
// Invariants:
//  1. A node id is held by at most one replica at a time.
//  2. It is free again when each of its claims was released.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <mutex>

#include "actors/tunnel/identity.hpp"

namespace neuroplex::tunnel {

/// Process id and host hash, as they stand in a BASP handshake.
using basp_node = std::array<std::byte, 24>;

class node_claims {
public:
  /// Claims `node` for `owner`, or answers false when another replica has it.
  [[nodiscard]] bool claim(const basp_node& node, replica_id owner);

  /// Gives back one successful claim.
  void release(const basp_node& node, replica_id owner) noexcept;

private:
  struct holder {
    replica_id owner;
    std::size_t claim_count;
  };

  std::mutex mutex_;
  std::map<basp_node, holder> holders_;
};

} // namespace neuroplex::tunnel
