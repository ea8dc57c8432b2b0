#include "actors/tunnel/options.hpp"

namespace neuroplex::tunnel {

namespace {

/// Largest deadline that makes sense, in milliseconds.
constexpr std::int64_t hour_ms = 3'600'000;

expected<void> check_range(const char* name, std::int64_t value,
                           std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most)
    return {};
  return failure{errc::config, "tunnel " + std::string{name} + ": "
                                 + std::to_string(value) + ": "
                                 + std::to_string(least) + ".."
                                 + std::to_string(most)};
}

} // namespace

expected<void> stream_limits::validate() const {
  struct row {
    const char* name;
    std::int64_t value;
    std::int64_t least;
    std::int64_t most;
  };
  const row rows[] = {
    {"handshake_ms", handshake_ms, 1, hour_ms},
    {"idle_ms", idle_ms, 1, hour_ms},
    {"probe_ms", probe_ms, 1, hour_ms},
    {"linger_ms", linger_ms, 0, hour_ms},
    {"buffer_bytes", static_cast<std::int64_t>(buffer_bytes),
     static_cast<std::int64_t>(limits::read_chunk_bytes), 1 << 30},
    {"basp_payload_bytes", basp_payload_bytes, 1024, 1 << 30},
  };
  for (const auto& r : rows)
    if (auto ok = check_range(r.name, r.value, r.least, r.most); !ok)
      return ok;
  return {};
}

} // namespace neuroplex::tunnel
