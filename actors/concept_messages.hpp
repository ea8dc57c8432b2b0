// What travels to and from the actors of concept memory.
//
// Purpose: lessons and questions (actors/concept_service/) with their deadlines
// and what comes back.
//
// Threads: plain values.
//
// Invariants: as messages.hpp has them; a question or lesson is checked by
// whoever reads it.
#pragma once

#include "actors/concept_service/lesson.hpp"
#include "actors/concept_service/question.hpp"
#include "actors/messages.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::actors {

/// When a lesson is answered.
enum class lesson_wait : std::uint8_t {
  as_configured, ///< visible with concept.durability log, else accepted
  accepted,      ///< it is in the write log
  visible,       ///< readers see it; with concept.durability log, it is on disk
};

struct lesson_request {
  request_header header;
  lesson_wait until = lesson_wait::as_configured;
  concept_service::lesson what;
};

/// The first `accepted` entries of a lesson were taken, the others were not and
/// may be sent again. `unknown_outcome`: they were taken, and whether they
/// became visible in time is not known; or, with concept.replication, whether
/// they were taken. All of a lesson is taken at least once if it is sent again
/// after that; what is not to happen twice (to strengthen, to let decay) should
/// be asked for first.
struct lesson_receipt {
  errc status = errc::ok;
  std::string problem;
  std::uint32_t accepted = 0;
  std::uint64_t sequence = 0; ///< of the last entry that was taken
  bool visible = false;
  bool durable = false;
};

/// As the others of messages.hpp.
void settle(lesson_receipt& answer);

struct question_request {
  request_header header;
  concept_service::question what;
};

} // namespace neuroplex::actors
