// Requests under way to peers, and the credit they take.
//
// Purpose: what a router must know to bound what it has under way, and to
// answer all of it at once when a peer is lost (a request to a dead peer is
// never answered by itself).
//
// Threads: one at a time.
//
// Invariants:
//  1. A flight ends exactly once: by `land`, or by `lose` with its peer.
//  2. No peer has more flights or bytes under way than its credit, and no
//     client more than its own; client 0, which is nobody, has no limit.
//
// Failure behaviour: `take_off` answers nothing when credit is missing.
#pragma once

#include "actors/messages.hpp"
#include "consensus/placement/slots.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace neuroplex::actors {

using flight_id = std::uint64_t;

struct flight {
  placement::replica_id peer = 0;
  std::uint64_t client = 0;
  std::size_t bytes = 0;
  bool effect = false; ///< it may change something
  std::function<void(errc)> fail{};
};

/// What a request without an answer must be called.
[[nodiscard]] constexpr errc outcome_without_answer(bool effect) noexcept {
  return effect ? errc::unknown_outcome : errc::unavailable;
}

class flight_table {
public:
  struct credit {
    std::size_t per_peer = 4'096;
    std::size_t per_client = 2'048;
    std::size_t bytes_per_peer = limits::max_peer_bytes_in_flight;
  };

  flight_table() = default;

  explicit flight_table(credit limits) : credit_{limits} {
  }

  [[nodiscard]] std::optional<flight_id> take_off(flight what);

  [[nodiscard]] bool under_way(flight_id id) const {
    return flights_.contains(id);
  }

  /// Ends a flight; false when it had ended before.
  bool land(flight_id id);

  /// Ends all flights to a peer and hands them out to be failed.
  [[nodiscard]] std::vector<flight> lose(placement::replica_id peer);

  [[nodiscard]] std::size_t in_flight(placement::replica_id peer) const;

private:
  struct load {
    std::size_t flights = 0;
    std::size_t bytes = 0;
  };

  void give_back(const flight& what);

  credit credit_;
  flight_id last_id_ = 0;
  std::unordered_map<flight_id, flight> flights_;
  std::unordered_map<placement::replica_id, load> peers_;
  std::unordered_map<std::uint64_t, std::size_t> clients_;
};

} // namespace neuroplex::actors
