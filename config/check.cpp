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

// What several nodes have is the same everywhere and is not given up.
maybe_violation check_shared_namespace(const namespace_options& space) {
  auto wrong = [&space](const std::string& what, const std::string& expected) {
    return violation{problem::config, "namespaces", space.name + ": " + what,
                     expected + ", since its consistency is "
                       + std::string{to_string(space.consistency)}};
  };
  const memory::namespace_settings plain;
  const auto& settings = space.settings;
  if (settings.policy != plain.policy)
    return wrong("policy=" + std::string{to_string(settings.policy)},
                 "policy=noeviction");
  if (settings.default_ttl_ms != 0)
    return wrong("ttl=" + std::to_string(settings.default_ttl_ms), "ttl=0");
  if (settings.quota_bytes != 0)
    return wrong("quota=" + std::to_string(settings.quota_bytes), "quota=0");
  return std::nullopt;
}

// Of n >= 3 f + 1 nodes f may lie, and nothing is gained by the ones between.
maybe_violation check_byzantine(const node_options& options) {
  constexpr std::size_t fewest = 4;
  auto by = std::string{to_string(options.agreement.protocol)};
  auto nodes = options.peers.size() + 1;
  if (nodes < fewest)
    return violation{problem::topology, "peers",
                     std::to_string(nodes) + " nodes",
                     "at least 4 nodes (3 f + 1 bear f that lie), since "
                     "agreement.protocol is "
                       + by};
  if (options.raft.groups != 1)
    return violation{problem::config, "raft.groups",
                     std::to_string(options.raft.groups),
                     "1, since agreement.protocol is " + by};
  if (options.raft.lease_reads)
    return violation{problem::config, "raft.lease_reads", "true",
                     "false, since agreement.protocol is " + by};
  return std::nullopt;
}

maybe_violation check_raft(const node_options& options) {
  auto election_ms = options.raft.election_timeout_ms;
  if (options.raft.heartbeat_ms > election_ms / 2)
    return violation{problem::timing, "raft.heartbeat_ms",
                     std::to_string(options.raft.heartbeat_ms) + " ms",
                     "at most half of raft.election_timeout_ms, which is "
                       + std::to_string(election_ms) + " ms"};
  auto agreed = false;
  for (const auto& space : options.namespaces) {
    if (!space.agreed())
      continue;
    agreed = true;
    if (auto found = check_shared_namespace(space))
      return found;
  }
  if (!agreed)
    return std::nullopt;
  if (options.raft_path().empty())
    return violation{problem::config, "raft.directory", "none",
                     "a directory, or node.data_dir, since a namespace is "
                     "agreed on"};
  if (options.raft.port.mode == listen_port::kind::off)
    return violation{problem::config, "raft.port", "off",
                     "a port or auto, since a namespace is agreed on"};
  if (options.agreement.protocol != agreement_protocol::raft)
    return check_byzantine(options);
  if (options.peers.size() == 1)
    return violation{problem::topology, "peers", "2 nodes",
                     "1, 3 or more nodes, since a namespace is agreed on and "
                     "2 survive the loss of none"};
  return std::nullopt;
}

maybe_violation check_replicas(const node_options& options) {
  for (const auto& space : options.namespaces) {
    if (!space.replicated())
      continue;
    if (auto found = check_shared_namespace(space))
      return found;
    if (options.replica_path().empty())
      return violation{problem::config, "node.data_dir", "none",
                       "a directory, since a namespace has replicas"};
    if (space.consistency == consistency_level::causal && space.shards != 1)
      return violation{problem::config, "namespaces",
                       space.name + ": shards=" + std::to_string(space.shards),
                       "shards=1, since its consistency is causal"};
  }
  return std::nullopt;
}

maybe_violation check_concepts(const node_options& options) {
  if (!options.concepts.enabled)
    return std::nullopt;
  if (options.concept_path().empty())
    return violation{problem::config, "concept.directory", "none",
                     "a directory, or node.data_dir, since concept.enabled is "
                     "true"};
  if (!options.concepts.replicated())
    return std::nullopt;
  if (options.replica_path().empty())
    return violation{problem::config, "node.data_dir", "none",
                     "a directory, since concept.replication is replicas"};
  if (options.concepts.overflow != concept_overflow::spill)
    return violation{problem::config, "concept.overflow",
                     std::string{to_string(options.concepts.overflow)},
                     "spill, since concept.replication is replicas, which "
                     "lose nothing; a lesson is refused as busy instead"};
  for (const auto& space : options.namespaces)
    if (space.name == concept_replica_name)
      return violation{problem::config, "namespaces", space.name,
                       "another name: the replicas of concept memory have "
                       "this one"};
  return std::nullopt;
}

} // namespace

std::optional<violation> check(const node_options& options) {
  for (auto rule :
       {check_ranges, check_segment, check_timing, check_tunnel, check_message,
        check_ports, check_peers, check_raft, check_replicas, check_concepts})
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
