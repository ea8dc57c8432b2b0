#include "actors/greeting.hpp"

#include <algorithm>
#include <cstdlib>

namespace neuroplex::actors {

hello acquaintance::introduce(std::int64_t now_ms) const {
  hello result;
  result.cluster = cluster;
  result.replica_id = self;
  result.incarnation = incarnation;
  result.placement_epoch = table->epoch();
  result.placement_fingerprint = table->fingerprint();
  result.clock_ms = now_ms;
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
  auto seen = us.seen.find(who.replica_id);
  if (seen != us.seen.end() && who.incarnation < seen->second)
    return failure{
      errc::conflict,
      "replica id " + std::to_string(who.replica_id)
        + " is reused: incarnation " + std::to_string(who.incarnation)
        + " is older than the one met before, " + std::to_string(seen->second)};
  return {};
}

std::int64_t clock_lead(const hello& who, std::int64_t asked_ms,
                        std::int64_t answered_ms) noexcept {
  auto lead = who.clock_ms - (asked_ms + answered_ms) / 2;
  return std::abs(lead) <= answered_ms - asked_ms ? 0 : lead;
}

} // namespace neuroplex::actors
