#include "actors/concept_writer.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace neuroplex::actors {

namespace {

using concepts::write_entry;

// A lesson that the replica executes, in its own thread.
struct replica_lesson {
  std::vector<write_entry> entries;
  concept_replica::taught taught;
  errc ended = errc::ok; ///< as replica::job says
};

struct waiting_lesson {
  lesson_receipt receipt;
  std::vector<write_entry> entries;
  std::size_t bytes = 0;
  std::shared_ptr<replica_lesson> at_replica; ///< null: the log takes it
  std::uint64_t job = 0; ///< of the replica, until it ended
  bool in_log = false;   ///< what the replica made of it
  std::int64_t deadline_ms = 0;
  bool until_visible = false;
  promise_of<lesson_receipt> answer;

  [[nodiscard]] bool taken() const noexcept {
    return at_replica ? job == 0 : receipt.accepted == entries.size();
  }
};

struct concept_writer_state {
  using self_pointer =
    actor_pointer<concept_writer_actor, concept_writer_state>;

  caf::result<lesson_receipt> learn(const lesson_request& what);
  void take(waiting_lesson& one, bool may_wait);
  void hand_over(waiting_lesson& one);
  void ended(std::uint64_t job);
  bool settle(waiting_lesson& one, std::int64_t now_ms);
  void look();

  [[nodiscard]] bool some_wait_for_room() const {
    return !waiting.empty() && !waiting.back().taken();
  }

  self_pointer self = nullptr;
  std::shared_ptr<concept_access> access;
  std::list<waiting_lesson> waiting; ///< in the order they came
  std::size_t waiting_bytes = 0;     ///< of these
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
  if (waiting_bytes + what.what.entries.size()
      > concept_service::limits::max_waiting_bytes)
    return refuse(errc::busy);
  auto entries = concept_service::read(what.what, access->memory().types());
  if (!entries)
    return refuse(entries.code(), entries.error().message());
  auto* replica = access->replica();
  if (replica != nullptr)
    for (const auto& each : *entries)
      if (auto code = concept_replica::check(each); code != errc::ok)
        return refuse(code, "concept " + each.id.to_string()
                              + ": at most 1 MiB of content, vector and "
                                "attributes with concept.replication");
  ++access->lessons;
  auto durable =
    access->options().durability == config::concept_durability::log;
  waiting_lesson one;
  one.entries = std::move(*entries);
  one.deadline_ms = what.header.deadline_ms;
  one.until_visible = what.until == lesson_wait::visible
                      || (what.until == lesson_wait::as_configured && durable);
  one.bytes = what.what.entries.size();
  // An empty one waits for all that came before.
  one.receipt.sequence = access->memory().accepted_sequence();
  if (replica != nullptr)
    hand_over(one);
  else if (!some_wait_for_room())
    take(one, access->options().overflow == config::concept_overflow::block);
  one.answer = make_promise<lesson_receipt>(self);
  auto answer = one.answer;
  if (settle(one, now_ms))
    return answer;
  tell_after(self, milliseconds{one.deadline_ms - now_ms},
             concept_writer_actor{self}, pulse_atom_v);
  waiting_bytes += one.bytes;
  waiting.push_back(std::move(one));
  access->waiting = waiting.size();
  return answer;
}

// The replica executes it in its own time, and tells when that is on disk.
void concept_writer_state::hand_over(waiting_lesson& one) {
  one.at_replica = std::make_shared<replica_lesson>();
  one.at_replica->entries = std::move(one.entries);
  one.job = ++access->last_job;
  access->submit(
    {.changes = true,
     .bytes = one.bytes,
     .deadline =
       replica_now().steady
       + milliseconds{std::max<std::int64_t>(one.deadline_ms - unix_ms(), 0)},
     .run =
       [replica = access->replica(), lesson = one.at_replica](
         replica::core& on, const replica::moment& now) {
         lesson->taught = replica->teach(on, now, lesson->entries);
       },
     .finish =
       [access = std::weak_ptr{access}, lesson = one.at_replica,
        job = one.job](errc code) {
         lesson->ended = code;
         auto whose = access.lock();
         if (auto writer = whose ? whose->writer() : concept_writer_actor{})
           tell_anonymously_urgently(writer, written_atom_v, job);
       }});
}

// A job of an earlier life is nobody's.
void concept_writer_state::ended(std::uint64_t job) {
  auto one = std::find_if(waiting.begin(), waiting.end(),
                          [job](const auto& each) { return each.job == job; });
  if (one == waiting.end())
    return;
  one->job = 0;
  const auto& [entries, taught, code] = *one->at_replica;
  auto& receipt = one->receipt;
  receipt.accepted = taught.accepted;
  receipt.durable = code == errc::ok;
  // What was refused has no outcome to wait for.
  auto refused = taught.status != errc::ok && taught.accepted == 0;
  if (code == errc::ok || refused) {
    receipt.status = taught.status;
    receipt.problem = taught.problem;
  } else {
    receipt.status = code == errc::unavailable ? errc::deadline : code;
    receipt.problem = describe(receipt.status);
  }
  look();
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
  auto handed_over = one.taken();
  if (one.at_replica && one.taken()) {
    handed_over =
      access->replica()->shown() >= one.at_replica->taught.last_change;
    if (handed_over && !std::exchange(one.in_log, true))
      receipt.sequence = memory.accepted_sequence();
  }
  receipt.visible =
    handed_over && memory.visible_sequence() >= receipt.sequence;
  if (!one.at_replica)
    receipt.durable =
      receipt.visible
      && access->options().durability == config::concept_durability::log;
  auto done = one.taken() && (receipt.visible || !one.until_visible);
  if (!done && receipt.status == errc::ok) {
    if (problem) {
      receipt.status = receipt.accepted == 0 ? errc::io : errc::unknown_outcome;
      receipt.problem = problem->message();
    } else if (now_ms >= one.deadline_ms) {
      receipt.status =
        one.taken() || one.at_replica ? errc::unknown_outcome : errc::busy;
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
    if (has_room && !one->at_replica)
      take(*one, true);
    has_room = has_room && one->taken();
    if (!settle(*one, now_ms)) {
      ++one;
      continue;
    }
    waiting_bytes -= one->bytes;
    one = waiting.erase(one);
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
    [state](written_atom, std::uint64_t job) { state->ended(job); },
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
