#include "actors/agreement/log_identity.hpp"

#include <xxhash.h>

namespace neuroplex::agreement {

storage::log_identity log_identity_of(const std::string& cluster,
                                      raft::node_id node) {
  auto hash = XXH3_128bits(cluster.data(), cluster.size());
  storage::log_identity result;
  result.node = node;
  for (std::size_t i = 0; i < 8; ++i) {
    result.cluster[i] = static_cast<std::uint8_t>(hash.low64 >> (8 * i));
    result.cluster[8 + i] = static_cast<std::uint8_t>(hash.high64 >> (8 * i));
  }
  return result;
}

} // namespace neuroplex::agreement
