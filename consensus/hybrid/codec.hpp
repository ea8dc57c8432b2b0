// Messages, orders, results, records and what is signed as bytes.
//
// Purpose: the one place that knows the hybrid's formats. Little-endian,
// versioned, every length checked before anything is allocated. A message has
// the same head as one of PBFT, with a version that PBFT does not have, so that
// one connection carries both:
//
//   message = version u8, body kind u8, 0 u16, group u64, from u64, body
//
// Threads: pure functions. What a decoded value holds shares the bytes it was
// decoded from.
//
// Invariants: what encode wrote, decode reads as the same; what decode accepts,
// encode writes as the same bytes.
//
// Failure behaviour: `errc::version` for another version, `errc::protocol` for
// everything else that is not exactly one of them.
#pragma once

#include "consensus/hybrid/durable.hpp"
#include "consensus/hybrid/message.hpp"

#include <string>
#include <string_view>

namespace neuroplex::hybrid {

inline constexpr std::uint8_t wire_version = 0x81;

/// Whether a packet's bytes are a message of the hybrid, not of PBFT.
[[nodiscard]] constexpr bool is_hybrid(std::string_view bytes) noexcept {
  return !bytes.empty() && static_cast<unsigned char>(bytes[0]) >= 0x80;
}

[[nodiscard]] slice encode_message(const message& what);
[[nodiscard]] expected<message> decode_message(const slice& bytes);

[[nodiscard]] slice encode_order(const order& what);
[[nodiscard]] expected<order> decode_order(const slice& bytes);

[[nodiscard]] slice encode_result(const result& what);
[[nodiscard]] expected<result> decode_result(const slice& bytes);

/// What the signatures are about.
[[nodiscard]] std::string
begun_statement(group_id group, const epoch_info& where, const digest& root);
[[nodiscard]] std::string head_statement(group_id group, epoch_number epoch,
                                         const head& what);
[[nodiscard]] std::string doubt_statement(group_id group, const doubt& what);
[[nodiscard]] std::string stop_statement(group_id group, const stop& what);
[[nodiscard]] std::string holding_statement(group_id group,
                                            const holding& what);

/// What the next link of a chain is the hash of.
[[nodiscard]] std::string link_bytes(const digest& before, const entry& next);

} // namespace neuroplex::hybrid
