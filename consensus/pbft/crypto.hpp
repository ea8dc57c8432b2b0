// What the core asks of cryptography.
//
// Purpose: hashes, MACs between two parties, and signatures, of one party. The
// core has no keys; whoever runs it does. `sodium_crypto` is the real one; the
// simulator has a cheap one whose rule against forging its world enforces.
//
// Threads: all functions are const and may be called by any thread.
//
// Invariants: equal arguments give equal answers, so that a core which is fed
// the same inputs does the same.
//
// Failure behaviour: what is about a party whose key is not known fails its
// check; a tag or signature made for it is of no use.
#pragma once

#include "consensus/pbft/types.hpp"

#include <string_view>

namespace neuroplex::pbft {

class crypto {
public:
  crypto() = default;
  crypto(const crypto&) = delete;
  crypto& operator=(const crypto&) = delete;
  virtual ~crypto() = default;

  [[nodiscard]] virtual digest hash(std::string_view bytes) const = 0;

  /// By this party, for `to`.
  [[nodiscard]] virtual mac_tag authenticate(node_id to,
                                             std::string_view bytes) const = 0;

  /// Whether `from` made the tag for this party.
  [[nodiscard]] virtual bool is_authentic(node_id from, std::string_view bytes,
                                          const mac_tag& tag) const = 0;

  /// By this party.
  [[nodiscard]] virtual signature sign(std::string_view bytes) const = 0;

  [[nodiscard]] virtual bool is_signed(node_id by, std::string_view bytes,
                                       const signature& what) const = 0;
};

} // namespace neuroplex::pbft
