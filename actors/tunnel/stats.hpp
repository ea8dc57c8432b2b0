// What a tunnel counts, and why a stream ended.
//
// Purpose: one closed list of reasons, shared by the protocol cores that find
// them, the relay that counts them and the commands that print them.
//
// Threads: `counters` is written by one relay thread and read by any; each
// cell is an independent relaxed atomic, since no decision hangs on two cells
// being of one moment. `stats` is a plain snapshot.
//
// Invariants:
//  1. Every connection that was accepted or opened ends under exactly one
//     `reason`, counted once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::tunnel {

/// Why a stream ended. `none` while it lives.
enum class reason : std::uint8_t {
  none,
  // Ends that are in order.
  orderly,    ///< a side closed, everything was delivered
  peer_reset, ///< the TCP connection broke or ended without a close frame
  stopped,    ///< this tunnel was stopped
  // Before anything was authenticated.
  connect_failed,      ///< the peer's address did not answer
  local_unavailable,   ///< nothing listens on the local port
  foreign_user,        ///< a local connection of another user's process
  address_limit,       ///< too many unauthenticated connections of one address
  handshake_deadline,  ///< not authenticated in time (silence, slow loris)
  not_tls,             ///< the first bytes are no TLS
  tls_version,         ///< TLS older than 1.3
  no_certificate,      ///< the peer showed no certificate
  certificate_expired, ///< out of its validity
  certificate_authority, ///< not signed by the cluster's authority
  certificate_invalid,   ///< wrong purpose, bad signature and the like
  wrong_name,            ///< no replica id in it, or not the expected one
  refused_by_peer,       ///< the peer refused us; see last_failure()
  tls_failed,            ///< any other TLS failure
  // Authenticated, yet refused by the tunnel's own protocol.
  hello_malformed,   ///< the first frame is no hello
  wire_version,      ///< no common version of the tunnel's protocol
  other_cluster,     ///< the hello names another cluster
  hello_identity,    ///< the hello's replica id is not the certificate's
  unknown_peer,      ///< the replica id is not in the list of peers
  duplicate_session, ///< that replica id has a live session already
  too_many_streams,  ///< the peer has all the streams it may have
  frame_oversize,    ///< a frame above its limit
  frame_malformed,   ///< an unknown frame, or one out of order
  idle,              ///< no byte within the idle limit
  superseded,        ///< did not answer the probe made for a newcomer
  // Refused by the BASP guard.
  basp_operation,       ///< unknown operation
  basp_version,         ///< server handshake of another BASP version
  basp_header,          ///< a field that the operation does not allow
  basp_order,           ///< a message before the handshake, or wrong direction
  basp_empty_handshake, ///< handshake without payload (ends CAF 0.17.6)
  basp_handshake_payload, ///< handshake whose payload does not parse
  basp_app_identifier,    ///< server handshake of another application
  basp_payload_limit,     ///< payload above the limit
  basp_named_receiver,    ///< message to a system actor that peers may not name
  basp_node_claimed,      ///< BASP node id that belongs to another replica
  basp_stall,             ///< half a frame, then silence
  failed,                 ///< the operating system or OpenSSL refused; see text
};

inline constexpr std::size_t reason_count =
  static_cast<std::size_t>(reason::failed) + 1;

/// Stable name of a reason, as in "basp_order".
[[nodiscard]] std::string_view reason_name(reason why) noexcept;

/// One sentence: what happened, and what an operator can do about it.
[[nodiscard]] std::string_view describe(reason why) noexcept;

/// A snapshot of a server's or client's counters.
struct stats {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_pending = 0; ///< open and not yet authenticated
  std::uint64_t streams_established = 0; ///< ever authenticated and relayed
  std::uint64_t accept_pauses = 0;       ///< cap met, or descriptors used up
  std::uint64_t bytes_from_peers = 0;    ///< relayed towards the local side
  std::uint64_t bytes_to_peers = 0;      ///< relayed towards peers
  std::uint64_t basp_frames = 0;         ///< whole frames let through
  std::array<std::uint64_t, reason_count> closed{}; ///< by reason

  [[nodiscard]] std::uint64_t closed_for(reason why) const noexcept {
    return closed[static_cast<std::size_t>(why)];
  }
};

/// The live counters behind `stats`.
struct counters {
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_open{0};
  std::atomic<std::uint64_t> connections_pending{0};
  std::atomic<std::uint64_t> streams_established{0};
  std::atomic<std::uint64_t> accept_pauses{0};
  std::atomic<std::uint64_t> bytes_from_peers{0};
  std::atomic<std::uint64_t> bytes_to_peers{0};
  std::atomic<std::uint64_t> basp_frames{0};
  std::array<std::atomic<std::uint64_t>, reason_count> closed{};

  /// Adds to a cell (relaxed: see the file's first paragraph).
  static void add(std::atomic<std::uint64_t>& cell,
                  std::uint64_t amount = 1) noexcept {
    cell.fetch_add(amount, std::memory_order_relaxed);
  }

  static void set(std::atomic<std::uint64_t>& cell,
                  std::uint64_t value) noexcept {
    cell.store(value, std::memory_order_relaxed);
  }

  void count(reason why) noexcept {
    add(closed[static_cast<std::size_t>(why)]);
  }

  [[nodiscard]] stats snapshot() const noexcept;
};

} // namespace neuroplex::tunnel
