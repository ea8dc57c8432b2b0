// Inside of the router: its state, and how requests are carried to owners.
// Included by the router's own sources only.
#pragma once

#include "actors/batch_split.hpp"
#include "actors/clock.hpp"
#include "actors/flight_table.hpp"
#include "actors/router_actor.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

namespace neuroplex::actors {

struct router_state {
  using self_pointer = actor_pointer<router_actor, router_state>;

  struct peer {
    node_actor handle;
    peer_report report;
    std::int64_t ahead_ms = 0; ///< its clock minus ours
    message_limits most;       ///< of what may be sent to it
  };

  // One message on its way to a peer, kept until answered so that it can be
  // sent again.
  template <class Atom, class Message, class Answer>
  struct sending {
    placement::replica_id to = 0;
    std::uint64_t meeting = 0; ///< of the peer when it was first sent
    Message what;
    std::int64_t deadline_ms = 0; ///< on our clock
    std::uint32_t attempts_left = 1;
    bool effect = false;
    flight_id flight = 0;
    std::function<void(Answer)> done;
  };

  void start(self_pointer self_value, router_options options_value);

  // -- peers ------------------------------------------------------------------

  void meet(const hello& who, const caf::strong_actor_ptr& handle);
  void lose(placement::replica_id who, const std::string& reason, bool refused);
  peer* connected(placement::replica_id who);
  router_report report() const;

  // -- requests ---------------------------------------------------------------

  caf::result<reply> apply(request& what);
  caf::result<batch_reply> apply(batch_request& what);
  caf::result<scan_page> scan(scan_request& what);
  caf::result<reply> apply_to_spaces(space_request& what);

  errc admit(request_header& header, errc checked);

  /// Whether nodes agree on a namespace, rather than one of them owning a key.
  [[nodiscard]] bool agreed(std::string_view space) const {
    return options.agreed_spaces.contains(space);
  }

  /// Whether every node has a replica of a namespace.
  [[nodiscard]] bool replicated(std::string_view space) const {
    return options.replicas && options.replicas->find(space) != nullptr;
  }

  caf::result<reply> apply_to_replica(request& what);
  caf::result<batch_reply> apply_to_replicas(batch_request& what);

  /// Whether the node that `group` names takes a message like that.
  template <class Message>
  expected<void> fits(const Message& what, std::uint64_t group) {
    auto owner = static_cast<placement::replica_id>(group & ~foreign);
    auto* target = connected(owner);
    if (target == nullptr)
      return {};
    auto verdict = check(what, target->most);
    if (verdict)
      return verdict;
    return failure{verdict.code(), "node " + std::to_string(owner) + ": "
                                     + verdict.error().message()};
  }

  void send_part(batch_part part, std::function<void(batch_reply)> done);

  /// Where a key lives: a shard of ours, or a node.
  [[nodiscard]] std::uint64_t group_of(std::string_view key) const;

  static constexpr std::uint64_t foreign = std::uint64_t{1} << 32;

  // -- sending ----------------------------------------------------------------

  template <class Answer>
  static Answer refusal(errc code) {
    Answer answer;
    answer.status = code;
    return answer;
  }

  milliseconds remaining(std::int64_t deadline_ms) const {
    return milliseconds{std::max<std::int64_t>(deadline_ms - unix_ms(), 0)};
  }

  /// Sends `what` to a peer, at most `attempts` times, and calls `done` once.
  template <class Atom, class Message, class Answer>
  void send(placement::replica_id to, Message what, bool effect,
            std::uint32_t attempts, std::size_t bytes,
            std::function<void(Answer)> done) {
    auto* target = connected(to);
    if (target == nullptr) {
      ++counters.unavailable;
      return done(refusal<Answer>(errc::unavailable));
    }
    auto shared = std::make_shared<sending<Atom, Message, Answer>>();
    auto flight_number = flights.take_off(
      {.peer = to,
       .client = what.header.id.client,
       .bytes = bytes,
       .effect = effect,
       .fail = [done](errc code) { done(refusal<Answer>(code)); }});
    if (!flight_number) {
      ++counters.busy;
      return done(refusal<Answer>(errc::busy));
    }
    ++counters.forwarded;
    shared->to = to;
    shared->meeting = target->report.meetings;
    shared->deadline_ms = what.header.deadline_ms;
    shared->attempts_left = attempts;
    shared->effect = effect;
    shared->flight = *flight_number;
    shared->done = std::move(done);
    shared->what = std::move(what);
    shared->what.header.forwarded = true;
    shared->what.header.epoch = options.table->epoch();
    shared->what.header.deadline_ms += target->ahead_ms;
    attempt(std::move(shared));
  }

  template <class Atom, class Message, class Answer>
  void attempt(std::shared_ptr<sending<Atom, Message, Answer>> shared) {
    auto* target = connected(shared->to);
    auto patience = remaining(shared->deadline_ms);
    if (--shared->attempts_left > 0)
      patience /= 2;
    ask(self, target->handle, std::max(patience, milliseconds{1}), Atom{},
        shared->what)
      .then(
        [this, shared](Answer& answer) {
          if (!flights.land(shared->flight))
            return;
          settle(answer);
          shared->done(std::move(answer));
        },
        [this, shared](const caf::error& error) {
          if (flights.under_way(shared->flight))
            fail(shared, code_of(error));
        });
  }

  template <class Atom, class Message, class Answer>
  void fail(const std::shared_ptr<sending<Atom, Message, Answer>>& shared,
            errc code) {
    if (code == errc::unknown_outcome) {
      auto* target = connected(shared->to);
      auto same =
        target != nullptr && target->report.meetings == shared->meeting;
      if (same && shared->attempts_left > 0
          && remaining(shared->deadline_ms).count() > 0) {
        ++counters.retries;
        return attempt(shared);
      }
      code = outcome_without_answer(shared->effect);
    } else if (code == errc::internal && shared->effect) {
      // The owner failed while working on it.
      code = errc::unknown_outcome;
    }
    count_failure(code);
    static_cast<void>(flights.land(shared->flight));
    shared->done(refusal<Answer>(code));
  }

  void count_failure(errc code) {
    counters.unavailable += code == errc::unavailable;
    counters.unknown += code == errc::unknown_outcome;
    counters.busy += code == errc::busy;
  }

  self_pointer self = nullptr;
  router_options options;
  std::vector<shard_actor> shards; // by number; null when not ours or down
  store_actor store;
  std::map<placement::replica_id, peer> peers;
  flight_table flights;
  router_report counters; // peers are in `peers`
  static inline const char* name = "router";
};

} // namespace neuroplex::actors
