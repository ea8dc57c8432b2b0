// Every limit of the PBFT core and of its wire format, in one place.
//
// Options may ask for less than these, never for more; decoders check a length
// against them before they allocate.
#pragma once

#include <cstddef>

namespace neuroplex::pbft::limits {

/// Replicas of one group.
inline constexpr std::size_t max_replicas = 64;

/// Longest operation of one request, and its longest result, in bytes.
inline constexpr std::size_t max_operation_bytes = std::size_t{4} << 20;
inline constexpr std::size_t max_result_bytes = std::size_t{4} << 20;

/// Requests and bytes of one batch.
inline constexpr std::size_t max_batch_requests = 4'096;
inline constexpr std::size_t max_batch_bytes = std::size_t{32} << 20;

/// Sequence numbers between the water marks.
inline constexpr std::size_t max_window = 1'024;

/// Digests that a replica reports as pre-prepared at one sequence number: those
/// of the latest views.
inline constexpr std::size_t max_digests_per_sequence = 8;

/// Pieces of one checkpoint, and their length in bytes.
inline constexpr std::size_t max_pieces = 65'536;
inline constexpr std::size_t max_piece_bytes = std::size_t{16} << 20;

/// Longest encoded message: a new-view of the most replicas.
inline constexpr std::size_t max_message_bytes = std::size_t{64} << 20;

/// Clients that one group remembers.
inline constexpr std::size_t max_clients = std::size_t{1} << 20;

/// Pieces of evidence kept; the counts go on.
inline constexpr std::size_t max_evidence = 256;

/// Packets that wait for the disk; more are dropped, and come again.
inline constexpr std::size_t max_held_packets = 65'536;

/// Sequence numbers that one status message is answered with, and that one
/// timer sends again.
inline constexpr std::size_t max_resent = 16;

} // namespace neuroplex::pbft::limits
