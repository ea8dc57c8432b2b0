// The actor in front of one shard.
//
// Purpose: hands messages to a shard_core, one at a time. It holds nothing
// itself: the core outlives it, so a shard that is started again after a
// failure still knows which requests it has answered.
//
// Failure behaviour: a full mailbox answers `busy`.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/shard_core.hpp"

#include <memory>

namespace neuroplex::actors {

shard_actor spawn_shard(caf::actor_system& system,
                        std::shared_ptr<shard_core> core,
                        std::size_t mailbox_messages);

} // namespace neuroplex::actors
