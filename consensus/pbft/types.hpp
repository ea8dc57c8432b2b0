// The nouns of the PBFT core: names, numbers, digests, requests.
//
// Purpose: plain values that the core, its client, its driver, the codec and
// the simulator share.
//
// Threads: plain values.
//
// Invariants:
//  1. Replicas and clients share one space of ids; 0 is nobody.
//  2. Sequence number 0 lies before the first; view 0 is the first.
//  3. `request::operation` is a part of `request::core`, which is what digests,
//     MACs and signatures are about.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/slice.hpp"

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

namespace neuroplex::pbft {

using neuroplex::slice;

using node_id = std::uint64_t;
using group_id = std::uint64_t;
using view_number = std::uint64_t;
using sequence_number = std::uint64_t;
using write_id = std::uint64_t;

/// Numbers the requests of one client, rising.
using timestamp = std::uint64_t;

/// Time since any origin of a monotonic clock.
using time = std::chrono::nanoseconds;

inline constexpr node_id nobody = 0;

/// A collision-resistant hash.
struct digest {
  std::array<std::uint8_t, 32> bytes{};

  friend auto operator<=>(const digest&, const digest&) = default;
};

/// Convinces the one who shares the key, and nobody else.
struct mac_tag {
  std::array<std::uint8_t, 16> bytes{};

  friend bool operator==(const mac_tag&, const mac_tag&) = default;
};

/// Convinces everybody.
struct signature {
  std::array<std::uint8_t, 64> bytes{};

  friend bool operator==(const signature&, const signature&) = default;
};

/// What a client wants done.
struct request {
  node_id client = nobody;
  timestamp number = 0;
  bool read_only = false;
  slice operation{};
  slice core{};      ///< encoded; see codec.hpp
  slice tags{};      ///< one MAC a replica, in the order of the options
  slice signed_by{}; ///< the client's signature, or nothing

  friend bool operator==(const request&, const request&) = default;
};

/// Requests that are ordered as one. None at all: the null request.
using batch = std::vector<request>;
using shared_batch = std::shared_ptr<const batch>;

/// How many replicas decide. Two quorums share a correct replica; a weak one
/// holds a correct replica (Castro and Liskov, OSDI 99, section 3; for any n:
/// Malkhi and Reiter, "Byzantine quorum systems", 1998).
[[nodiscard]] constexpr std::size_t quorum_of(std::size_t replicas,
                                              std::size_t faults) noexcept {
  return (replicas + faults + 2) / 2;
}

[[nodiscard]] constexpr std::size_t
weak_quorum_of(std::size_t faults) noexcept {
  return faults + 1;
}

} // namespace neuroplex::pbft
