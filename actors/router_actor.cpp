#include "actors/router_actor.hpp"

#include "actors/greeting.hpp"
#include "actors/router_state.hpp"

namespace neuroplex::actors {

void router_state::start(self_pointer self_value,
                         router_options options_value) {
  self = self_value;
  options = std::move(options_value);
  shards.resize(options.table->shard_count());
  for (const auto& [number, shard] : options.shards)
    shards.at(number) = shard;
  store = options.store;
  flights = flight_table{
    {.per_peer = options.request_credit,
     .per_client = std::max<std::size_t>(options.request_credit / 2, 1)}};
  for (auto member : options.table->members())
    if (member != options.self)
      peers[member].report.replica_id = member;
}

// -- peers --------------------------------------------------------------------

void router_state::meet(const hello& who, const caf::strong_actor_ptr& handle) {
  auto found = peers.find(who.replica_id);
  if (found == peers.end())
    return;
  // Whatever was sent to an earlier incarnation is not answered any more.
  lose(who.replica_id, "came back", false);
  auto& peer = found->second;
  peer.handle = caf::actor_cast<node_actor>(handle);
  peer.ahead_ms = -who.receiver_ahead_ms;
  peer.most = lower(options.most, who.bounds);
  peer.report.state = peer_state::connected;
  peer.report.incarnation = who.incarnation;
  peer.report.reason.clear();
  ++peer.report.meetings;
}

void router_state::lose(placement::replica_id who, const std::string& reason,
                        bool refused) {
  auto found = peers.find(who);
  if (found == peers.end())
    return;
  auto& peer = found->second;
  peer.handle = nullptr;
  if (peer.report.state == peer_state::connected) {
    ++peer.report.losses;
    peer.report.state = peer_state::lost;
  }
  if (refused)
    peer.report.state = peer_state::refused;
  peer.report.reason = reason;
  for (auto& lost : flights.lose(who)) {
    auto code = outcome_without_answer(lost.effect);
    count_failure(code);
    lost.fail(code);
  }
}

router_state::peer* router_state::connected(placement::replica_id who) {
  auto found = peers.find(who);
  if (found == peers.end() || found->second.handle == nullptr)
    return nullptr;
  return &found->second;
}

router_report router_state::report() const {
  auto result = counters;
  for (const auto& [id, peer] : peers) {
    auto& shown = result.peers.emplace_back(peer.report);
    shown.in_flight = flights.in_flight(id);
  }
  return result;
}

// -- requests -----------------------------------------------------------------

errc router_state::admit(request_header& header, errc checked) {
  if (checked != errc::ok)
    return checked;
  auto now = unix_ms();
  if (header.deadline_ms < now)
    return errc::deadline;
  if (header.deadline_ms > now + limits::max_deadline_ms)
    return errc::bad_argument;
  if (header.epoch != 0 && header.epoch != options.table->epoch()) {
    ++counters.stale;
    return errc::conflict;
  }
  return errc::ok;
}

std::uint64_t router_state::group_of(std::string_view key) const {
  auto shard = options.table->shard_of(key);
  auto owner = options.table->owners_of(shard).front();
  return owner == options.self ? shard : foreign | owner;
}

caf::result<reply> router_state::apply(request& what) {
  auto refused = [](const failure& why) {
    auto result = refusal<reply>(why.code());
    result.value = why.message();
    return result;
  };
  if (auto taken = check(what, options.most); !taken)
    return refused(taken.error());
  if (auto code = admit(what.header, check(what)); code != errc::ok)
    return refusal<reply>(code);
  if (agreed(what.space)) {
    if (!options.agreement) {
      ++counters.unavailable;
      return refusal<reply>(errc::unavailable);
    }
    ++counters.local;
    return delegate(self, options.agreement, apply_atom_v, std::move(what));
  }
  if (replicated(what.space))
    return apply_to_replica(what);
  auto group = group_of(what.key);
  if (group < foreign) {
    auto& shard = shards[group];
    if (shard == nullptr) {
      ++counters.unavailable;
      return refusal<reply>(errc::unavailable);
    }
    ++counters.local;
    return delegate(self, shard, apply_atom_v, std::move(what));
  }
  if (what.header.forwarded) {
    ++counters.stale;
    return refusal<reply>(errc::conflict);
  }
  if (auto taken = fits(what, group); !taken)
    return refused(taken.error());
  auto answer = make_promise<reply>(self);
  auto effect = changes(what.op);
  auto attempts =
    effect && what.header.id.client == 0 ? 1 : limits::max_attempts;
  auto bytes = body_bytes(what);
  send<apply_atom, request, reply>(
    static_cast<placement::replica_id>(group & ~foreign), std::move(what),
    effect, attempts, bytes,
    [answer](reply value) mutable { answer.deliver(std::move(value)); });
  return answer;
}

caf::result<batch_reply> router_state::apply(batch_request& what) {
  if (auto taken = check(what, options.most); !taken)
    return refusal<batch_reply>(taken.code());
  if (auto code = admit(what.header, check(what)); code != errc::ok)
    return refusal<batch_reply>(code);
  auto items = what.items.size();
  if (items == 0)
    return batch_reply{};
  if (agreed(what.space)) {
    if (!options.agreement) {
      ++counters.unavailable;
      return refusal<batch_reply>(errc::unavailable);
    }
    ++counters.local;
    return delegate(self, options.agreement, batch_atom_v, std::move(what));
  }
  if (replicated(what.space))
    return apply_to_replicas(what);
  auto forwarded = what.header.forwarded;
  auto parts = split(std::move(what), [this](std::string_view key) { //
    return group_of(key);
  });
  auto answer = make_promise<batch_reply>(self);
  auto gathering = std::make_shared<batch_gathering>(items, parts.size());
  for (auto& part : parts) {
    auto positions =
      std::make_shared<std::vector<std::uint32_t>>(std::move(part.positions));
    auto done = [gathering, positions, answer](batch_reply value) mutable {
      gathering->put(*positions, std::move(value));
      if (gathering->complete())
        answer.deliver(gathering->take());
    };
    if (forwarded && part.group >= foreign) {
      ++counters.stale;
      done(refusal<batch_reply>(errc::conflict));
    } else {
      send_part(std::move(part), std::move(done));
    }
  }
  return answer;
}

void router_state::send_part(batch_part part,
                             std::function<void(batch_reply)> done) {
  auto effect = changes(part.batch.op);
  if (part.group >= foreign) {
    if (auto taken = fits(part.batch, part.group); !taken)
      return done(refusal<batch_reply>(taken.code()));
    auto attempts =
      effect && part.batch.header.id.client == 0 ? 1 : limits::max_attempts;
    auto bytes = body_bytes(part.batch);
    return send<batch_atom, batch_request, batch_reply>(
      static_cast<placement::replica_id>(part.group & ~foreign),
      std::move(part.batch), effect, attempts, bytes, std::move(done));
  }
  auto& shard = shards[part.group];
  if (shard == nullptr) {
    ++counters.unavailable;
    return done(refusal<batch_reply>(errc::unavailable));
  }
  ++counters.local;
  auto patience = remaining(part.batch.header.deadline_ms);
  ask(self, shard, std::max(patience, milliseconds{1}), batch_atom_v,
      std::move(part.batch))
    .then([done](batch_reply& value) { done(std::move(value)); },
          [this, done, effect](const caf::error& error) {
            auto code = code_of(error);
            if (code == errc::unknown_outcome || code == errc::internal)
              code = outcome_without_answer(effect);
            count_failure(code);
            done(refusal<batch_reply>(code));
          });
}

caf::result<reply> router_state::apply_to_replica(request& what) {
  auto& replicas = *options.replicas;
  auto actor =
    replicas.actor_of({what.space, replicas.shard_of(what.space, what.key)});
  if (!actor) {
    ++counters.unavailable;
    return refusal<reply>(errc::unavailable);
  }
  ++counters.local;
  return delegate(self, actor, apply_atom_v, std::move(what));
}

// What is done to keys of one shard is one change; shards answer apart.
caf::result<batch_reply> router_state::apply_to_replicas(batch_request& what) {
  auto items = what.items.size();
  auto effect = changes(what.op);
  auto space = what.space;
  auto parts = split(std::move(what), [&](std::string_view key) {
    return std::uint64_t{options.replicas->shard_of(space, key)};
  });
  auto answer = make_promise<batch_reply>(self);
  auto gathering = std::make_shared<batch_gathering>(items, parts.size());
  for (auto& part : parts) {
    auto done = [gathering, answer, positions = std::move(part.positions)](
                  batch_reply value) mutable {
      gathering->put(positions, std::move(value));
      if (gathering->complete())
        answer.deliver(gathering->take());
    };
    auto actor = options.replicas->actor_of(
      {part.batch.space, static_cast<std::uint32_t>(part.group)});
    if (!actor) {
      ++counters.unavailable;
      done(refusal<batch_reply>(errc::unavailable));
      continue;
    }
    ++counters.local;
    auto patience = remaining(part.batch.header.deadline_ms);
    ask(self, actor, std::max(patience, milliseconds{1}), batch_atom_v,
        std::move(part.batch))
      .then([done](batch_reply& value) mutable { done(std::move(value)); },
            [this, done, effect](const caf::error& error) mutable {
              auto code = code_of(error);
              if (code == errc::unknown_outcome || code == errc::internal)
                code = outcome_without_answer(effect);
              count_failure(code);
              done(refusal<batch_reply>(code));
            });
  }
  return answer;
}

caf::result<scan_page> router_state::scan(scan_request& what) {
  auto code = admit(what.header, check(what));
  auto members = options.table->members();
  if (code == errc::ok && replicated(what.space))
    code = errc::bad_argument;
  if (code == errc::ok && what.from.member >= members.size())
    code = errc::bad_argument;
  if (code != errc::ok)
    return refusal<scan_page>(code);
  auto from = what.from;
  auto answer = make_promise<scan_page>(self);
  // Every node has all of what is agreed on: this one's copy is shown.
  auto whole = agreed(what.space);
  auto done = [from, whole, count = members.size(),
               answer](scan_page page) mutable {
    page.member = from.member;
    if (whole && page.next.member != from.member)
      page.next.member = static_cast<std::uint32_t>(count);
    // A node that cannot be read is left out, which `status` tells; one that
    // is busy can be asked again.
    if (page.status == errc::busy)
      page.next = from;
    else if (page.status != errc::ok)
      page.next = {from.member + 1, 0};
    page.done = page.next.member >= count;
    answer.deliver(std::move(page));
  };
  auto owner = members[from.member];
  if (owner == options.self || whole) {
    auto patience = remaining(what.header.deadline_ms);
    ask(self, store, std::max(patience, milliseconds{1}), scan_atom_v,
        std::move(what))
      .then([done](scan_page& page) mutable { done(std::move(page)); },
            [done](const caf::error& error) mutable {
              auto failed = code_of(error);
              done(refusal<scan_page>(
                failed == errc::busy ? failed : errc::unavailable));
            });
  } else if (what.header.forwarded) {
    ++counters.stale;
    done(refusal<scan_page>(errc::conflict));
  } else {
    send<scan_atom, scan_request, scan_page>(owner, std::move(what), false,
                                             limits::max_attempts, 0, done);
  }
  return answer;
}

caf::result<reply> router_state::apply_to_spaces(space_request& what) {
  if (auto code = admit(what.header, check(what)); code != errc::ok)
    return refusal<reply>(code);
  if (agreed(what.space) && what.op != space_operation::count) {
    auto refused = refusal<reply>(errc::bad_argument);
    refused.value =
      "namespace \"" + what.space + "\" is agreed on: erase its keys instead";
    return refused;
  }
  if (replicated(what.space)) {
    auto refused = refusal<reply>(errc::bad_argument);
    refused.value = "namespace \"" + what.space
                    + "\" has replicas: Redis clients count it (DBSIZE), list "
                      "it (KEYS) and clear it (FLUSHDB)";
    return refused;
  }
  if (what.header.forwarded || agreed(what.space))
    return delegate(self, store, space_atom_v, std::move(what));
  auto members = options.table->members();
  for (auto member : members)
    if (member != options.self && connected(member) == nullptr) {
      ++counters.unavailable;
      return refusal<reply>(errc::unavailable);
    }
  struct sum {
    reply whole;
    std::size_t missing;
  };
  auto answer = make_promise<reply>(self);
  auto total = std::make_shared<sum>(sum{{}, members.size()});
  auto done = [total, answer](const reply& part) mutable {
    total->whole.number += part.number;
    if (part.status != errc::ok && total->whole.status == errc::ok)
      total->whole.status = part.status;
    if (--total->missing == 0)
      answer.deliver(std::move(total->whole));
  };
  auto effect = what.op != space_operation::count;
  for (auto member : members) {
    if (member != options.self) {
      send<space_atom, space_request, reply>(member, what, effect, 1, 0, done);
      continue;
    }
    auto patience = remaining(what.header.deadline_ms);
    ask(self, store, std::max(patience, milliseconds{1}), space_atom_v, what)
      .then([done](const reply& part) mutable { done(part); },
            [done, effect](const caf::error&) mutable {
              done(refusal<reply>(outcome_without_answer(effect)));
            });
  }
  return answer;
}

// -- the actor ----------------------------------------------------------------

namespace {

router_actor::behavior_type router(router_state::self_pointer self) {
  drop_unexpected(self);
  auto* state = &state_of(self);
  return {
    [state](apply_atom, request& what) { return state->apply(what); },
    [state](batch_atom, batch_request& what) { return state->apply(what); },
    [state](scan_atom, scan_request& what) { return state->scan(what); },
    [state](space_atom, space_request& what) {
      return state->apply_to_spaces(what);
    },
    [state](met_atom, const hello& who, const caf::strong_actor_ptr& handle) {
      state->meet(who, handle);
    },
    [state](lost_atom, std::uint32_t who, const std::string& reason,
            bool refused) { state->lose(who, reason, refused); },
    [state](shard_atom, std::uint32_t shard,
            const caf::strong_actor_ptr& handle) {
      if (shard < state->shards.size())
        state->shards[shard] = caf::actor_cast<shard_actor>(handle);
    },
    [state](store_atom, const caf::strong_actor_ptr& handle) {
      state->store = caf::actor_cast<store_actor>(handle);
    },
    [state](agreed_atom, const caf::strong_actor_ptr& handle) {
      state->options.agreement = caf::actor_cast<agreement_peer_actor>(handle);
    },
    [state](stats_atom) { return state->report(); },
  };
}

} // namespace

router_actor spawn_router(caf::actor_system& system, router_options options) {
  auto mailbox_messages = options.mailbox_messages;
  return spawn_bounded<router_actor, router_state>(
    system, mailbox_messages,
    [options = std::move(options)](router_state::self_pointer self) {
      state_of(self).start(self, options);
      return router(self);
    });
}

} // namespace neuroplex::actors
