// The actor that serves a whole segment to messages.
//
// Purpose: what shard actors do not: scans, namespaces as a whole, and keys
// whoever owns them, for programs that treat one segment as a unit.
//
// Ownership: refers to a store that outlives it.
//
// Failure behaviour: a full mailbox answers `busy`.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/shard_core.hpp"
#include "memory/store.hpp"

#include <memory>

namespace neuroplex::actors {

store_actor spawn_store(caf::actor_system& system, memory::store& store,
                        std::shared_ptr<shard_core> core,
                        std::size_t mailbox_messages);

} // namespace neuroplex::actors
