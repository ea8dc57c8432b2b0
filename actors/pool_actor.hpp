// The actor that lends raw memory of the segment.
//
// Purpose: asks the lender (actors/upkeep/lender.hpp) on behalf of whoever asks
// it, ends leases whose time is over, and watches holders. Who holds what
// outlives it: started again, it watches them again, and hears at once of those
// that ended meanwhile.
//
// Ownership: shares the parts and the table of holders, which outlive it.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/upkeep/parts.hpp"

#include <map>
#include <memory>

namespace neuroplex::actors {

/// Holders by the number the lender knows them by; used by the actor alone.
struct lease_holders {
  std::map<std::uint64_t, caf::actor_addr> by_number;
  std::uint64_t last = 0;
};

pool_actor spawn_pool(caf::actor_system& system,
                      std::shared_ptr<upkeep::parts> parts,
                      std::shared_ptr<lease_holders> holders);

} // namespace neuroplex::actors
