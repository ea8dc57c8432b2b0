#include "actors/concept_reader.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

struct concept_reader_state {
  static inline const char* name = "concept_reader";
};

using concept_reader_pointer =
  actor_pointer<concept_reader_actor, concept_reader_state>;

concept_service::answer answer_now(concept_access& access,
                                   question_request& asked) {
  auto refuse = [](errc code) {
    concept_service::answer refused;
    refused.status = code;
    refused.problem = describe(code);
    return refused;
  };
  auto left_ms = asked.header.deadline_ms - unix_ms();
  if (left_ms > limits::max_deadline_ms)
    return refuse(errc::bad_argument);
  if (left_ms <= 0)
    return refuse(errc::deadline);
  auto newest = access.memory().load("concept_reader");
  if (!newest)
    return refuse(errc::busy);
  ++access.questions;
  asked.what.max_ms =
    std::min(asked.what.max_ms, static_cast<std::uint32_t>(left_ms));
  return concept_service::answer_to(asked.what, **newest, access.memory());
}

concept_reader_actor::behavior_type
behavior(concept_reader_pointer self,
         const std::shared_ptr<concept_access>& access) {
  drop_unexpected(self);
  return {
    [access](ask_atom, question_request& asked) {
      return answer_now(*access, asked);
    },
    [access](stats_atom) { return access->report(); },
  };
}

} // namespace

concept_reader_actor
spawn_concept_reader(caf::actor_system& system,
                     std::shared_ptr<concept_access> access,
                     std::size_t mailbox_messages) {
  return spawn_bounded_apart<concept_reader_actor, concept_reader_state>(
    system, mailbox_messages,
    [access = std::move(access)](concept_reader_pointer self) {
      return behavior(self, access);
    });
}

} // namespace neuroplex::actors
