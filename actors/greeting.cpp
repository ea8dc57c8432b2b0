#include "actors/greeting.hpp"

#include <algorithm>
#include <cstdlib>

namespace neuroplex::actors {

namespace {

/// Whether all that `who` may send us can pass, and whether it speaks often
/// enough not to be taken for dead.
expected<void> judge_bounds(const acquaintance& us, const hello& who) {
  auto name = "node " + std::to_string(who.replica_id);
  auto our_name = "node " + std::to_string(us.self);
  const auto& ours = us.bounds;
  const auto& theirs = who.bounds;
  if (theirs.message_bytes == 0
      || theirs.message_bytes > limits::max_message_bytes
      || theirs.batch_keys == 0 || theirs.batch_keys > limits::max_batch_items)
    return failure{errc::protocol, name + " tells limits that no node has"};
  // As config's rule for one node: an envelope fits beside the longest message.
  if (ours.frame_bytes != 0 && theirs.message_bytes > ours.frame_bytes / 4 * 3)
    return failure{errc::conflict,
                   name + " sends messages of up to "
                     + std::to_string(theirs.message_bytes)
                     + " bytes (limits.message_bytes), " + our_name
                     + " takes frames of " + std::to_string(ours.frame_bytes)
                     + " (tunnel.max_frame_bytes): give all nodes the same"};
  if (std::uint64_t{theirs.heartbeat_ms} * 2 > ours.connection_timeout_ms)
    return failure{
      errc::conflict,
      name + " sends a heartbeat every " + std::to_string(theirs.heartbeat_ms)
        + " ms (timeouts.heartbeat_ms), " + our_name + " takes a silence of "
        + std::to_string(ours.connection_timeout_ms)
        + " ms for death (timeouts.connection_timeout_ms): give"
          " all nodes the same"};
  return {};
}

} // namespace

hello acquaintance::introduce(std::int64_t now_ms) const {
  hello result;
  result.cluster = cluster;
  result.replica_id = self;
  result.incarnation = incarnation;
  result.placement_epoch = table->epoch();
  result.placement_fingerprint = table->fingerprint();
  result.clock_ms = now_ms;
  result.bounds = bounds;
  return result;
}

expected<void> judge(const acquaintance& us, const hello& who) {
  if (who.version != limits::protocol_version)
    return failure{errc::version, "node " + std::to_string(who.replica_id)
                                    + " speaks protocol version "
                                    + std::to_string(who.version) + ", node "
                                    + std::to_string(us.self) + " speaks "
                                    + std::to_string(limits::protocol_version)
                                    + ": run the same release on both"};
  if (who.cluster != us.cluster)
    return failure{errc::denied, "node " + std::to_string(who.replica_id)
                                   + " is of cluster \""
                                   + who.cluster.substr(0, 63) + "\", node "
                                   + std::to_string(us.self) + " of cluster \""
                                   + us.cluster + "\""};
  if (who.replica_id == us.self)
    return failure{errc::conflict, "another node uses our replica id "
                                     + std::to_string(us.self)
                                     + ": give each its own"};
  auto members = us.table->members();
  if (!std::binary_search(members.begin(), members.end(), who.replica_id))
    return failure{errc::denied, "replica id " + std::to_string(who.replica_id)
                                   + " is not among the peers of node "
                                   + std::to_string(us.self)};
  if (who.placement_epoch != us.table->epoch()
      || who.placement_fingerprint != us.table->fingerprint())
    return failure{errc::conflict,
                   "node " + std::to_string(who.replica_id)
                     + " places keys by another table than node "
                     + std::to_string(us.self)
                     + ": give all nodes the same peers and placement"};
  if (auto fits = judge_bounds(us, who); !fits)
    return fits;
  auto seen = us.seen.find(who.replica_id);
  if (seen != us.seen.end() && who.incarnation < seen->second)
    return failure{
      errc::conflict,
      "replica id " + std::to_string(who.replica_id)
        + " is reused: incarnation " + std::to_string(who.incarnation)
        + " is older than the one met before, " + std::to_string(seen->second)};
  return {};
}

message_limits lower(const message_limits& ours,
                     const node_bounds& theirs) noexcept {
  return {.batch_keys = std::min(ours.batch_keys, theirs.batch_keys),
          .message_bytes = std::min(ours.message_bytes, theirs.message_bytes)};
}

std::int64_t clock_lead(const hello& who, std::int64_t asked_ms,
                        std::int64_t answered_ms) noexcept {
  auto lead = who.clock_ms - (asked_ms + answered_ms) / 2;
  return std::abs(lead) <= answered_ms - asked_ms ? 0 : lead;
}

} // namespace neuroplex::actors
