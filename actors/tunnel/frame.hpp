// The tunnel's own protocol inside TLS: frames and their content.
//
// Purpose: one description shared by writer and reader. Little-endian. A frame
// is an 8-byte header (payload length 32 bits, type 8 bits, 24 zero bits) and
// its payload. The client opens with `hello`, or with `hello_agreement` where
// the bytes are for the agreement part instead of CAF; the server answers
// `welcome` or `refuse`; then `data`, `ping`, `pong` in both directions, and
// `close` last.
//
//   hello, hello_agreement, welcome:
//                   "NPLX", version 16, oldest version 16, replica id 32,
//                   incarnation 64, name length 8, cluster name
//   refuse:         "NPLX", version 16, oldest version 16, text length 8, text
//   ping, pong:     opaque 64 bits, returned as they came
//   data:           bytes;  close: nothing
//
// The frame header and the first 8 bytes of hello, welcome and refuse are the
// same in every version, so that two versions can always name each other.
//
// Ownership and threads: values; sans-I/O.
//
// Invariants:
//  1. The length is checked before anything is stored; a decoder holds at most
//     `limits::max_control_payload_bytes` + 8 bytes. Data is never copied.
//  2. After an error the decoder answers the same error for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/limits.hpp"
#include "actors/tunnel/stats.hpp"

namespace neuroplex::tunnel {

enum class frame_type : std::uint8_t {
  hello = 1,
  welcome = 2,
  refuse = 3,
  data = 4,
  ping = 5,
  pong = 6,
  close = 7,
  hello_agreement = 8,
};

inline constexpr std::size_t frame_header_bytes = 8;

/// Content of hello, hello_agreement and welcome.
struct hello_frame {
  std::uint16_t version = limits::wire_version;
  std::uint16_t oldest_version = limits::oldest_wire_version;
  replica_id id = 0;
  std::uint64_t incarnation = 0;
  std::string cluster;
};

/// Content of refuse.
struct refuse_frame {
  std::uint16_t version = limits::wire_version;
  std::uint16_t oldest_version = limits::oldest_wire_version;
  std::string text;
};

using frame_bytes = std::vector<std::byte>;

/// Appends one whole frame.
void append_frame(frame_bytes& out, frame_type type,
                  std::span<const std::byte> payload);

void append_hello(frame_bytes& out, frame_type type, const hello_frame& hello);
void append_refuse(frame_bytes& out, const refuse_frame& refuse);

/// Reads hello or welcome. `reason::wire_version` when the two sides have no
/// version in common (then only the versions are filled in), or
/// `reason::hello_malformed`.
[[nodiscard]] reason read_hello(std::span<const std::byte> payload,
                                hello_frame& out);

/// Reads refuse; its text keeps printable characters only.
[[nodiscard]] reason read_refuse(std::span<const std::byte> payload,
                                 refuse_frame& out);

/// "this node speaks version 1, the peer speaks 2..3".
[[nodiscard]] std::string version_text(std::uint16_t peer_version,
                                       std::uint16_t peer_oldest_version);

class frame_decoder {
public:
  enum class step : std::uint8_t {
    need_more, ///< the input is used up
    control,   ///< `type` and the whole `payload`
    data,      ///< `payload` is the next piece of a data frame
    error,     ///< `why` says what is wrong
  };

  struct event {
    step kind = step::need_more;
    frame_type type = frame_type::data;
    std::span<const std::byte> payload;
    reason why = reason::none;
  };

  /// Takes from the front of `input` what the next event needs. The payload
  /// stays valid until the next call.
  event next(std::span<const std::byte>& input);

private:
  event fail(reason why);

  frame_bytes held_;
  std::size_t remaining_ = 0;
  bool in_payload_ = false;
  frame_type type_ = frame_type::data;
  reason error_ = reason::none;
};

} // namespace neuroplex::tunnel
