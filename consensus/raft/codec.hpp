// Messages and configurations as bytes.
//
// Purpose: the one place that knows the wire format, for peers and for the log.
// Little-endian, versioned, every length checked before anything is allocated.
//
//   message        = version u8, body kind u8, flags u8, 0 u8, from u64, to
//   u64,
//                    incarnation u64, term u64, body
//   configuration  = version u8, flags u8 (1: leaves automatically), then four
//                    lists (voters, outgoing, learners, next learners), each:
//                    count u16, then id u64, incarnation u64 a member
//
// Threads: pure functions. Entries and chunks of a decoded message share the
// bytes it was decoded from.
//
// Invariants: what encode wrote, decode reads as the same; what decode accepts,
// encode writes as the same bytes.
//
// Failure behaviour: `errc::version` for another version, `errc::protocol` for
// everything else that is not exactly one message.
#pragma once

#include "consensus/raft/message.hpp"
#include "memory/status.hpp"

namespace neuroplex::raft {

inline constexpr std::uint8_t wire_version = 1;

/// What a configuration entry carries.
[[nodiscard]] slice encode_configuration(const configuration& members);

[[nodiscard]] expected<configuration>
decode_configuration(std::string_view bytes);

/// Appends one message to `out`.
void encode_message(const message& what, std::string& out);

/// Reads bytes that are exactly one message. Entries and chunks share `bytes`.
[[nodiscard]] expected<message> decode_message(const slice& bytes);

/// What a snapshot file begins with.
[[nodiscard]] slice encode_snapshot_meta(const snapshot_meta& meta);

[[nodiscard]] expected<snapshot_meta>
decode_snapshot_meta(std::string_view bytes);

} // namespace neuroplex::raft
