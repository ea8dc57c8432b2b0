// Settings of one PBFT group's replicas and clients, and what makes a set of
// them impossible.
//
// Purpose: everything that a core does by choice. All of a group must have the
// same values, but for `id`.
//
// Threads: plain values.
//
// Invariants: those that `validate` checks.
//
// Failure behaviour: `errc::config` with one line that names the option.
#pragma once

#include "consensus/pbft/limits.hpp"
#include "consensus/pbft/types.hpp"
#include "memory/status.hpp"

#include <optional>

namespace neuroplex::pbft {

struct options {
  group_id group = 0; ///< no message of another group is listened to
  node_id id = nobody;
  std::vector<node_id> replicas{}; ///< in the order in which they lead
  std::size_t faults = 1;          ///< how many of them may lie: f

  /// How long a request may wait for its execution before its replica wants
  /// another primary. Doubles with each view that brings nothing, up to the
  /// longest.
  time request_timeout = std::chrono::milliseconds{500};
  time longest_timeout = std::chrono::seconds{8};

  /// How often a replica tells where it is, and says again what may be lost.
  time resend_interval = std::chrono::milliseconds{100};

  std::size_t checkpoint_interval = 128;
  /// Sequence numbers above the last stable checkpoint that may be in use.
  std::size_t window = 256;
  /// Batches that a primary has under way.
  std::size_t max_pipeline = 32;
  std::size_t max_batch_requests = 64;
  std::size_t max_batch_bytes = std::size_t{1} << 20;
  std::size_t max_operation_bytes = std::size_t{1} << 20;
  /// Requests that wait to be executed; more are dropped, and come again.
  std::size_t max_waiting_requests = 16'384;
  std::size_t max_clients = 65'536;

  /// A client's first requests are believed by their signature only, and so is
  /// one whose MACs were wrong somewhere, twice as long each time.
  std::uint32_t probation_requests = 16;

  /// `errc::config` unless a replica can work with these.
  [[nodiscard]] expected<void> validate() const;

  /// The same for a client, whose id is not among the replicas.
  [[nodiscard]] expected<void> validate_client() const;

  [[nodiscard]] std::size_t quorum() const noexcept {
    return quorum_of(replicas.size(), faults);
  }

  [[nodiscard]] std::size_t weak_quorum() const noexcept {
    return weak_quorum_of(faults);
  }

  [[nodiscard]] node_id primary_of(view_number view) const noexcept {
    return replicas[view % replicas.size()];
  }

  /// Its place among the replicas.
  [[nodiscard]] std::optional<std::size_t> index_of(node_id id) const noexcept;
};

} // namespace neuroplex::pbft
