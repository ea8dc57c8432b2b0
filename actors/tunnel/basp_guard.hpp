// Lets only well-formed BASP of CAF 0.17.6 through.
//
// Purpose: CAF 0.17.6 dereferences a null payload when a handshake header says
// `payload_len` 0, allocates whatever a header asks for, and keeps half-open
// frames for ever. The guard reads the byte stream that is on its way to the
// local CAF and ends it at the first header that a correct CAF peer would not
// have sent, so that CAF never sees that header.
//
// BASP in short: frames of a 32-byte big-endian header (operation, two zero
// bytes, flags, 32-bit payload length, 64-bit operation data, source actor,
// destination actor) and the payload. Both sides start with a handshake: the
// server with its node id, application identifiers and published actor, the
// client with its node id; the client repeats its handshake later.
//
// Ownership and threads: a value owned by one stream; sans-I/O, no clock.
//
// Invariants:
//  1. A header goes out only when it is complete and good; a handshake goes out
//     only when its whole payload is there and parses. Other payloads are
//     passed on as they come.
//  2. Nothing goes out after the first refusal.
//  3. At most 32 bytes + `handshake_payload_bytes` are held back.
//
// What it does not look at: the content of messages (direct, routed, monitor
// and down payloads). doc/security.md says what follows from that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/tunnel/byte_queue.hpp"
#include "actors/tunnel/limits.hpp"
#include "actors/tunnel/node_claims.hpp"
#include "actors/tunnel/stats.hpp"

namespace neuroplex::tunnel {

/// Who sent the bytes that a guard looks at.
enum class basp_sender : std::uint8_t { client, server };

struct basp_guard_options {
  basp_sender sender = basp_sender::client;
  std::uint32_t payload_bytes = limits::basp_payload_bytes;
  std::uint32_t handshake_payload_bytes = limits::basp_handshake_payload_bytes;
  /// A server handshake must name one of these; empty: any.
  std::vector<std::string> app_identifiers;
};

class basp_guard {
public:
  static constexpr std::size_t header_bytes = 32;
  static constexpr std::uint64_t version = 3;

  explicit basp_guard(basp_guard_options options);

  /// Takes `input`, appends what may reach CAF to `output`, and answers
  /// `reason::none` or, once and for ever, why the stream must end.
  reason feed(std::span<const std::byte> input, byte_queue& output);

  /// Whether a frame has begun and is not complete, or no frame came yet.
  [[nodiscard]] bool mid_frame() const noexcept;

  /// Whether a whole, good handshake came.
  [[nodiscard]] bool greeted() const noexcept {
    return node_.has_value();
  }

  /// Whether the header of the current frame is still incomplete.
  [[nodiscard]] bool mid_header() const noexcept {
    return remaining_ == 0 && !held_.empty();
  }

  /// The node id of the handshake.
  [[nodiscard]] const std::optional<basp_node>& node() const noexcept {
    return node_;
  }

  /// Whole frames let through.
  [[nodiscard]] std::uint64_t frame_count() const noexcept {
    return frame_count_;
  }

private:
  struct frame_header;

  [[nodiscard]] reason check(const frame_header& head) const;
  [[nodiscard]] reason check_handshake(std::span<const std::byte> payload);

  basp_guard_options options_;
  /// Header, and for a handshake its payload, that are not complete yet.
  std::vector<std::byte> held_;
  /// Bytes of the current payload still to come; streamed, or held.
  std::uint32_t remaining_ = 0;
  bool holding_payload_ = false;
  std::optional<basp_node> node_;
  std::uint64_t frame_count_ = 0;
  reason verdict_ = reason::none;
};

} // namespace neuroplex::tunnel
