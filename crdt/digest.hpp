// What two replicas compare before they send anything.
//
// Purpose: a context alone does not tell who has removed what, since a remove
// leaves the context as it was. So a digest is the context and a hash of the
// live dots of each range of counters. Where a range differs, only that range
// travels. A state without dots is hashed as a whole.
//
// Threads: plain values.
//
// Invariants: equal states have equal digests; ranges without live dots are
// left out.
#pragma once

#include "crdt/causal_context.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::crdt {

/// The live dots of one replica with counters from
/// `range` * limits::digest_range_counters on.
struct range_hash {
  replica_id replica;
  std::uint64_t range = 0;
  std::uint64_t hash = 0;

  friend bool operator==(const range_hash&, const range_hash&) = default;
};

struct state_digest {
  causal_context context;
  std::vector<range_hash> ranges; ///< by replica, then by range
  /// A hash of what has no dots: a whole state, or removes that wait.
  std::uint64_t whole = 0;

  /// A number for what is held of a replica of which no change lives: equal
  /// where the same changes were seen. Fails with `errc::busy` while one lives.
  [[nodiscard]] expected<std::uint64_t> held_of(replica_id replica) const;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static expected<state_digest>
  decode(std::string_view bytes, const decode_limits& limits = {});

  friend bool operator==(const state_digest&, const state_digest&) = default;
};

/// Collects the hashes of live dots that come in any order.
class range_hasher {
public:
  /// `fingerprint` is a hash of where the dot is and what it stands for.
  void add(const dot& what, std::uint64_t fingerprint);

  [[nodiscard]] std::vector<range_hash> finish() &&;

private:
  std::vector<range_hash> ranges_;
};

/// The dots of `context` that a replica with the digest `theirs` must be told
/// about, live or not: what it has not seen, and the ranges that differ.
[[nodiscard]] causal_context dots_to_send(const causal_context& context,
                                          const std::vector<range_hash>& ranges,
                                          const state_digest& theirs);

/// A hash of bytes, equal on all machines.
[[nodiscard]] std::uint64_t hash_bytes(std::string_view bytes) noexcept;

/// A hash that spreads `value` over all bits (the finaliser of splitmix64).
[[nodiscard]] constexpr std::uint64_t spread(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31);
}

[[nodiscard]] constexpr std::uint64_t combine(std::uint64_t first,
                                              std::uint64_t second) noexcept {
  return spread(first * 0x9E3779B97F4A7C15U + second + 1);
}

/// A hash of a value, by its encoding.
template <class T>
[[nodiscard]] std::uint64_t fingerprint_of(const T& value) {
  if constexpr (std::integral<T>) {
    return spread(static_cast<std::uint64_t>(value) + 1);
  } else if constexpr (std::same_as<T, std::string>) {
    return hash_bytes(value);
  } else {
    replica_table table;
    encoder out{table};
    codec<T>::write(out, value);
    return hash_bytes(out.finish(0));
  }
}

} // namespace neuroplex::crdt
