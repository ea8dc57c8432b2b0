#include "consensus/placement/placement.hpp"

namespace neuroplex::placement {

replica_id pick(load_balancing how,
                std::span<const node_load> candidates) noexcept {
  switch (how) {
    case load_balancing::least_loaded: {
      const node_load* best = nullptr;
      for (const auto& candidate : candidates)
        if (best == nullptr || candidate.units < best->units)
          best = &candidate;
      return best == nullptr ? 0 : best->node;
    }
  }
  return 0;
}

} // namespace neuroplex::placement
