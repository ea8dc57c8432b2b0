// What server and client have in common in their options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actors/tunnel/limits.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

/// What a stream is relayed to at its server.
enum class service : std::uint8_t {
  basp,      ///< CAF
  agreement, ///< the connections of actors/agreement
};

/// Deadlines and bounds of every stream. The defaults are for production;
/// tests shorten them.
struct stream_limits {
  std::int64_t handshake_ms = limits::handshake_ms;
  /// Pings go out limits::pings_per_idle times as often.
  std::int64_t idle_ms = limits::idle_ms;
  std::int64_t probe_ms = limits::probe_ms;
  std::int64_t linger_ms = limits::linger_ms;
  std::size_t buffer_bytes = limits::buffer_bytes;
  /// Largest BASP payload let through towards the local CAF.
  std::uint32_t basp_payload_bytes = limits::basp_payload_bytes;
  /// Application identifiers of which a BASP server must name one; empty: any.
  std::vector<std::string> basp_app_identifiers;
  /// Off: a stream to `service::basp` is relayed as it is, as those to other
  /// services are.
  bool inspect_basp = true;

  [[nodiscard]] expected<void> validate() const;
};

} // namespace neuroplex::tunnel
