#include "actors/tunnel/node_claims.hpp"

namespace neuroplex::tunnel {

bool node_claims::claim(const basp_node& node, replica_id owner) {
  std::lock_guard guard{mutex_};
  auto [position, fresh] = holders_.try_emplace(node, holder{owner, 1});
  if (fresh)
    return true;
  if (position->second.owner != owner)
    return false;
  ++position->second.claim_count;
  return true;
}

void node_claims::release(const basp_node& node, replica_id owner) noexcept {
  std::lock_guard guard{mutex_};
  auto position = holders_.find(node);
  if (position == holders_.end() || position->second.owner != owner)
    return;
  if (--position->second.claim_count == 0)
    holders_.erase(position);
}

} // namespace neuroplex::tunnel
