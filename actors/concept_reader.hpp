// Answers questions to what was learnt.
//
// Purpose: each question is answered from the newest snapshot. It has a thread
// of its own, since a question may search for as long as it is allowed to.
//
// Ownership: shares the access.
//
// Failure behaviour: `busy` for a full mailbox, or when too many snapshots are
// held; `deadline` for a question that came too late; what
// concept_service::answer_to answers.
#pragma once

#include "actors/concept_access.hpp"

namespace neuroplex::actors {

concept_reader_actor
spawn_concept_reader(caf::actor_system& system,
                     std::shared_ptr<concept_access> access,
                     std::size_t mailbox_messages);

} // namespace neuroplex::actors
