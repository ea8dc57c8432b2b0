// Who belongs to a simulated group of replicas, and what happens in it.
//
// Purpose: plays the owner of the group, which takes machines out, gives them
// empty disks, takes them in again under new incarnations, and begins the
// epochs in which those that left are forgotten.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "crdt/membership.hpp"

#include <cstdint>
#include <vector>

namespace neuroplex::sim {

/// What a driver of replicas does wrong on purpose.
struct crdt_mistakes_made {
  bool send_before_save = false;
  bool acknowledge_before_save = false;
  bool keep_incarnation = false; ///< of a machine whose disk was replaced
  bool ignore_epoch = false;     ///< merges what anybody sends
  bool forget_clock = false;     ///< over a restart
};

struct crdt_counts {
  std::uint64_t acknowledged = 0;
  std::uint64_t deltas = 0;
  std::uint64_t digests = 0;
  std::uint64_t refused = 0; ///< messages of another epoch
  std::uint64_t left = 0;
  std::uint64_t disks_replaced = 0;
  std::uint64_t forgotten = 0;
};

/// A replica that is forgotten, and who takes over its share of a counter.
struct crdt_retirement {
  crdt::replica_id gone;
  crdt::replica_id into;
};

/// The owner's view.
struct crdt_group {
  crdt::membership members;
  std::vector<crdt_retirement> retired; ///< in the order of their epochs
};

} // namespace neuroplex::sim
