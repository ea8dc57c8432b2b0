#include "actors/concept_writer.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace neuroplex::actors {

namespace {

using concepts::write_entry;

struct waiting_lesson {
  lesson_receipt receipt;
  std::vector<write_entry> entries;
  std::int64_t deadline_ms = 0;
  bool until_visible = false;
  promise_of<lesson_receipt> answer;

  [[nodiscard]] bool taken() const noexcept {
    return receipt.accepted == entries.size();
  }
};

struct concept_writer_state {
  using self_pointer =
    actor_pointer<concept_writer_actor, concept_writer_state>;

  caf::result<lesson_receipt> learn(const lesson_request& what);
  void take(waiting_lesson& one, bool may_wait);
  bool settle(waiting_lesson& one, std::int64_t now_ms);
  void look();

  [[nodiscard]] bool some_wait_for_room() const {
    return !waiting.empty() && !waiting.back().taken();
  }

  self_pointer self = nullptr;
  std::shared_ptr<concept_access> access;
  std::list<waiting_lesson> waiting; ///< in the order they came
  static inline const char* name = "concept_writer";
};

caf::result<lesson_receipt>
concept_writer_state::learn(const lesson_request& what) {
  auto now_ms = unix_ms();
  auto refuse = [](errc code, std::string why = {}) {
    lesson_receipt refused;
    refused.status = code;
    refused.problem =
      why.empty() ? std::string{describe(code)} : std::move(why);
    return refused;
  };
  if (what.until > lesson_wait::visible
      || what.header.deadline_ms > now_ms + limits::max_deadline_ms)
    return refuse(errc::bad_argument);
  if (what.header.deadline_ms <= now_ms)
    return refuse(errc::deadline);
  if (waiting.size() >= concept_service::limits::max_waiting_lessons)
    return refuse(errc::busy);
  if (auto problem = access->memory().problem())
    return refuse(errc::io,
                  "concept memory has stopped: " + problem->message());
  auto entries = concept_service::read(what.what, access->memory().types());
  if (!entries)
    return refuse(entries.code(), entries.error().message());
  ++access->lessons;
  auto durable =
    access->options().durability == config::concept_durability::log;
  waiting_lesson one;
  one.entries = std::move(*entries);
  one.deadline_ms = what.header.deadline_ms;
  one.until_visible = what.until == lesson_wait::visible
                      || (what.until == lesson_wait::as_configured && durable);
  // An empty one waits for all that came before.
  one.receipt.sequence = access->memory().accepted_sequence();
  if (!some_wait_for_room())
    take(one, access->options().overflow == config::concept_overflow::block);
  one.answer = make_promise<lesson_receipt>(self);
  auto answer = one.answer;
  if (settle(one, now_ms))
    return answer;
  tell_after(self, milliseconds{one.deadline_ms - now_ms},
             concept_writer_actor{self}, pulse_atom_v);
  waiting.push_back(std::move(one));
  access->waiting = waiting.size();
  return answer;
}

// Hands entries over until there is no room.
void concept_writer_state::take(waiting_lesson& one, bool may_wait) {
  while (!one.taken()) {
    auto& next = one.entries[one.receipt.accepted];
    auto code = access->memory().write(next);
    if (code == errc::busy && may_wait)
      return;
    if (code != errc::ok) {
      one.receipt.status = code;
      one.receipt.problem = describe(code);
      return;
    }
    one.receipt.sequence = next.sequence;
    ++one.receipt.accepted;
  }
}

// Answers a lesson if it is time to; true then.
bool concept_writer_state::settle(waiting_lesson& one, std::int64_t now_ms) {
  auto& receipt = one.receipt;
  auto& memory = access->memory();
  auto problem = memory.problem();
  receipt.visible =
    one.taken() && memory.visible_sequence() >= receipt.sequence;
  receipt.durable =
    receipt.visible
    && access->options().durability == config::concept_durability::log;
  auto done = one.taken() && (receipt.visible || !one.until_visible);
  if (!done && receipt.status == errc::ok) {
    if (problem) {
      receipt.status = receipt.accepted == 0 ? errc::io : errc::unknown_outcome;
      receipt.problem = problem->message();
    } else if (now_ms >= one.deadline_ms) {
      receipt.status = one.taken() ? errc::unknown_outcome : errc::busy;
      receipt.problem = describe(receipt.status);
    }
  }
  if (!done && receipt.status == errc::ok)
    return false;
  one.answer.deliver(std::move(receipt));
  return true;
}

void concept_writer_state::look() {
  auto now_ms = unix_ms();
  auto has_room = true;
  for (auto one = waiting.begin(); one != waiting.end();) {
    if (has_room)
      take(*one, true);
    has_room = has_room && one->taken();
    one = settle(*one, now_ms) ? waiting.erase(one) : std::next(one);
  }
  access->waiting = waiting.size();
}

concept_writer_actor::behavior_type
behavior(concept_writer_state::self_pointer self,
         std::shared_ptr<concept_access> access) {
  drop_unexpected(self);
  auto* state = &state_of(self);
  state->self = self;
  state->access = std::move(access);
  state->access->waiting = 0;
  state->access->attach(concept_writer_actor{self});
  return {
    [state](learn_atom, const lesson_request& what) {
      return state->learn(what);
    },
    [state](written_atom) { state->look(); },
    [state](pulse_atom) { state->look(); },
  };
}

} // namespace

concept_writer_actor
spawn_concept_writer(caf::actor_system& system,
                     std::shared_ptr<concept_access> access,
                     std::size_t mailbox_messages) {
  return spawn_bounded<concept_writer_actor, concept_writer_state>(
    system, mailbox_messages,
    [access = std::move(access)](concept_writer_state::self_pointer self) {
      return behavior(self, access);
    });
}

} // namespace neuroplex::actors
