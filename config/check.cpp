#include "config/check.hpp"

#include "config/settings.hpp"

#include <set>
#include <utility>

namespace neuroplex::config {

namespace {

using maybe_violation = std::optional<violation>;

maybe_violation check_ranges(const node_options& options) {
  for (auto& row : settings()) {
    auto value = row.get(options);
    if (auto checked = check_value(row, value); !checked) {
      auto code =
        row.kind == setting_kind::bytes ? problem::size : problem::range;
      return violation{code, row.name, display_value(row, value),
                       checked.error().message()};
    }
  }
  return std::nullopt;
}

maybe_violation check_segment(const node_options& options) {
  auto& segment = options.segment;
  if (segment.reserved_bytes != 0
      && segment.reserved_bytes < segment.segment_bytes)
    return violation{problem::size, "segment.reserved_bytes",
                     display_bytes(segment.reserved_bytes),
                     "0, or at least segment.bytes, which is "
                       + display_bytes(segment.segment_bytes)};
  if (auto valid = segment.validate(); !valid)
    return violation{problem::config, "segment", "as given",
                     valid.error().message()};
  return std::nullopt;
}

maybe_violation check_timing(const node_options& options) {
  auto& timeouts = options.timeouts;
  if (timeouts.connection_timeout_ms / 2 < timeouts.heartbeat_ms)
    return violation{
      problem::timing, "timeouts.connection_timeout_ms",
      std::to_string(timeouts.connection_timeout_ms) + " ms",
      "at least two heartbeats, which are "
        + std::to_string(2 * std::uint64_t{timeouts.heartbeat_ms}) + " ms"};
  return std::nullopt;
}

maybe_violation check_tunnel(const node_options& options) {
  auto& tunnel = options.tunnel;
  if (!tunnel.enabled)
    return std::nullopt;
  std::pair<std::string_view, const std::string*> files[]{
    {"tunnel.ca_file", &tunnel.ca_file},
    {"tunnel.certificate_file", &tunnel.certificate_file},
    {"tunnel.key_file", &tunnel.key_file},
  };
  for (auto& [field, path] : files)
    if (path->empty())
      return violation{problem::config, field, "none",
                       "a PEM file, since tunnel.enabled is true"};
  return std::nullopt;
}

// A message that fits must fit into a frame too, with all that is around it.
maybe_violation check_message(const node_options& options) {
  auto most = options.tunnel.max_frame_bytes / 4 * 3;
  if (!options.tunnel.enabled || options.limits.message_bytes <= most)
    return std::nullopt;
  return violation{problem::size, "limits.message_bytes",
                   display_bytes(options.limits.message_bytes),
                   "at most " + display_bytes(most)
                     + ", three quarters of tunnel.max_frame_bytes"};
}

maybe_violation check_ports(const node_options& options) {
  auto fixed = listen_port::kind::fixed;
  auto clash = [fixed](listen_port a, listen_port b) {
    return a.mode == fixed && a == b;
  };
  if (clash(options.basp.port, options.resp.port))
    return violation{problem::config, "resp.port", to_string(options.resp.port),
                     "another port than basp.port"};
  if (options.tunnel.enabled
      && (clash(options.tunnel.port, options.basp.port)
          || clash(options.tunnel.port, options.resp.port)))
    return violation{problem::config, "tunnel.port",
                     to_string(options.tunnel.port),
                     "another port than basp.port and resp.port"};
  return std::nullopt;
}

maybe_violation check_peers(const node_options& options) {
  std::set<std::uint32_t> ids;
  std::set<std::pair<std::string, std::uint16_t>> addresses;
  for (auto& peer : options.peers) {
    auto id = std::to_string(peer.replica_id);
    if (peer.replica_id == options.replica_id)
      return violation{problem::topology, "peers", id,
                       "the ids of other nodes: this one is "
                         + std::to_string(options.replica_id)};
    if (!ids.insert(peer.replica_id).second)
      return violation{problem::topology, "peers", id, "each replica id once"};
    auto address = peer.host + ":" + std::to_string(peer.port);
    if (!addresses.emplace(peer.host, peer.port).second)
      return violation{problem::topology, "peers", address,
                       "each address once"};
    if (!options.tunnel.enabled && !is_loopback(peer.host))
      return violation{problem::topology, "peers", address,
                       "a loopback address, or tunnel.enabled true"};
  }
  return std::nullopt;
}

} // namespace

std::optional<violation> check(const node_options& options) {
  for (auto rule : {check_ranges, check_segment, check_timing, check_tunnel,
                    check_message, check_ports, check_peers})
    if (auto found = rule(options))
      return found;
  return std::nullopt;
}

expected<void> node_options::validate() const {
  if (auto found = check(*this))
    return failure{errc::config, std::string{found->field} + ": " + found->value
                                   + ": expected " + found->expected};
  return {};
}

} // namespace neuroplex::config
