// Takes what is to be learnt.
//
// Purpose: checks lessons, hands their entries to the write log, and answers
// when that is done, or when readers see them. The write log never waits; where
// it is to wait for room, the lesson does, not the actor.
//
// Ownership: shares the access.
//
// With concept.replication the replica takes the entries, and what it makes of
// them is handed to the write log (actors/concept_replica/).
//
// Invariants:
//  1. A lesson that is malformed has no effect.
//  2. Entries of a lesson are taken in order, and a receipt says how many.
//  3. With concept.durability log, nothing is acknowledged as_configured before
//     it is on disk; with concept.replication nothing is, ever.
//
// Failure behaviour: `busy` for a full mailbox, write log or list of lessons
// that wait; `unknown_outcome` when the time is over or the disk failed after
// entries were taken.
#pragma once

#include "actors/concept_access.hpp"

namespace neuroplex::actors {

concept_writer_actor
spawn_concept_writer(caf::actor_system& system,
                     std::shared_ptr<concept_access> access,
                     std::size_t mailbox_messages);

} // namespace neuroplex::actors
