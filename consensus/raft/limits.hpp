// Every limit of the Raft core and of its wire format, in one place.
//
// Options may ask for less than these, never for more; decoders check a length
// against them before they allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::raft::limits {

/// Members of one configuration: voters, outgoing voters and learners together.
inline constexpr std::size_t max_members = 64;

/// Longest payload of one entry, in bytes.
inline constexpr std::size_t max_payload_bytes = std::size_t{16} << 20;

/// Entries and bytes of one append message. A single entry may always travel.
inline constexpr std::size_t max_append_entries = 65'536;
inline constexpr std::size_t max_append_bytes = std::size_t{32} << 20;

/// Longest chunk of a snapshot, in bytes.
inline constexpr std::size_t max_chunk_bytes = std::size_t{16} << 20;

/// Longest encoded message: a full append, its entries' heads, its own head.
inline constexpr std::size_t max_message_bytes =
  max_append_bytes + max_payload_bytes + max_append_entries * 32 + 4'096;

/// Payloads of one proposal.
inline constexpr std::size_t max_payloads_per_proposal = 65'536;

/// Appends that may be under way to one peer.
inline constexpr std::size_t max_inflight_messages = 65'536;

/// Rounds of heartbeats whose answers are still of use.
inline constexpr std::size_t max_open_rounds = 64;

/// Client sessions one table remembers.
inline constexpr std::size_t max_sessions = std::size_t{1} << 20;

/// Longest remembered answer to one client request, in bytes.
inline constexpr std::size_t max_answer_bytes = std::size_t{16} << 20;

} // namespace neuroplex::raft::limits
