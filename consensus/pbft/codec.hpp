// Messages, requests and what is signed as bytes.
//
// Purpose: the one place that knows the wire format. Little-endian, versioned,
// every length checked before anything is allocated.
//
//   packet    = message, then the tag, 16 bytes
//   message   = version u8, body kind u8, 0 u16, group u64, from u64, body
//   request   = core (length u32), tags (length u32), signature (length u32: 0
//               or 64)
//   core      = group u64, client u64, number u64, read-only u8, operation
//               (length u32)
//   statement = kind u8 (checkpoint, view-change, new-view), group u64, fields;
//               what a signature is about
//
// Threads: pure functions. What a decoded message holds shares the bytes it was
// decoded from.
//
// Invariants: what encode wrote, decode reads as the same; what decode accepts,
// encode writes as the same bytes.
//
// Failure behaviour: `errc::version` for another version, `errc::protocol` for
// everything else that is not exactly one message.
#pragma once

#include "consensus/pbft/crypto.hpp"
#include "consensus/pbft/message.hpp"
#include "memory/status.hpp"

#include <string>
#include <vector>

namespace neuroplex::pbft {

inline constexpr std::uint8_t wire_version = 1;

[[nodiscard]] slice encode_message(const message& what);

/// Reads bytes that are exactly one message.
[[nodiscard]] expected<message> decode_message(const slice& bytes);

/// Who claims to have sent it, without reading the rest; nobody if it is too
/// short to say.
[[nodiscard]] node_id claimed_sender(std::string_view bytes) noexcept;

/// As on the wire. `to` is not a part of it.
void append_packet(const packet& what, std::string& out);

/// Splits bytes into message and tag; `errc::protocol` if too short.
[[nodiscard]] expected<packet> split_packet(const slice& bytes);

/// A request with its core, without tags and signature.
[[nodiscard]] request make_request(group_id group, node_id client,
                                   timestamp number, bool read_only,
                                   std::string_view operation);

[[nodiscard]] slice encode_batch(const batch& requests);
[[nodiscard]] expected<shared_batch> decode_batch(const slice& bytes);

/// Of the requests' cores: who vouches for them does not matter.
[[nodiscard]] digest digest_of(const crypto& with, const batch& requests);

/// Whether the core belongs to this group.
[[nodiscard]] bool is_of_group(const request& what, group_id group) noexcept;

[[nodiscard]] std::string checkpoint_statement(group_id group,
                                               sequence_number sequence,
                                               const digest& root);

/// Fills `signed_bytes` from the other fields, and signs.
void seal(view_change& what, group_id group, const crypto& with);
void seal(new_view& what, group_id group, const crypto& with);

/// Whether the signed bytes are of that group.
[[nodiscard]] bool is_of_group(const view_change& what,
                               group_id group) noexcept;
[[nodiscard]] bool is_of_group(const new_view& what, group_id group) noexcept;

/// Of a list of digests: the root of a checkpoint.
[[nodiscard]] digest root_of(const crypto& with,
                             const std::vector<digest>& pieces);

/// The n-th tag of an authenticator; zeros if it has fewer.
[[nodiscard]] mac_tag tag_at(const slice& tags, std::size_t index) noexcept;

/// A signature of 64 bytes; zeros if there are not as many.
[[nodiscard]] signature signature_from(const slice& bytes) noexcept;

[[nodiscard]] slice encode_proof(const stable_proof& what);
[[nodiscard]] expected<stable_proof> decode_proof(const slice& bytes);

} // namespace neuroplex::pbft
