// A small cluster in memory, for tests: cores, a queue of messages that the
// test delivers, and disks that finish when the test says so.
//
// Threads: one at a time. Everything is deterministic.
#pragma once

#include "consensus/raft/core.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <set>

namespace neuroplex::raft::testing {

using namespace std::chrono_literals;

inline configuration voters_of(const std::vector<node_id>& ids,
                               const std::vector<node_id>& learners = {}) {
  configuration members;
  for (auto id : ids)
    members.voters.push_back({id, 0});
  for (auto id : learners)
    members.learners.push_back({id, 0});
  return members;
}

/// What survives a crash of a node, and what its disk has still to do.
struct disk {
  durable_state durable{};
  std::deque<disk_write> queue{};
  bool automatic = true; ///< writes become durable at once

  void carry_out(const disk_write& write) {
    auto& log = durable.log;
    if (write.reset_to)
      log.clear();
    if (write.truncate_from)
      std::erase_if(log, [&](const entry& one) {
        return one.index >= *write.truncate_from;
      });
    for (const auto& one : write.entries)
      log.push_back(one);
    if (write.hard)
      durable.hard = *write.hard;
    if (write.compact_to)
      std::erase_if(
        log, [&](const entry& one) { return one.index <= *write.compact_to; });
  }
};

/// A node: a core, its disk, and a state machine that remembers commands.
struct node {
  options settings{};
  std::unique_ptr<core> brain{};
  raft::disk_write last_write{};
  disk storage{};
  std::vector<entry> applied{};
  std::map<log_index, std::vector<entry>> snapshots{};
  std::vector<answer> answers{};
  std::string partial{};
  bool down = false;
};

class cluster {
public:
  using filter = std::function<bool(const message&)>;

  explicit cluster(options base = {}) : base_{base} {
  }

  void add(node_id id, configuration first, incarnation_number disk = 0) {
    auto& one = nodes[id];
    one.settings = base_;
    one.settings.id = id;
    one.settings.incarnation = disk;
    one.settings.seed = 7;
    one.storage.durable.snapshot.members = std::move(first);
    start(id);
  }

  void start(node_id id) {
    auto& one = nodes[id];
    one.storage.queue.clear();
    one.partial.clear();
    auto made = core::create(one.settings, one.storage.durable, now);
    REQUIRE(made);
    one.brain = std::make_unique<core>(*std::move(made));
    auto found = one.snapshots.find(one.storage.durable.snapshot.index);
    one.applied =
      found == one.snapshots.end() ? std::vector<entry>{} : found->second;
    one.down = false;
  }

  void crash(node_id id) {
    nodes[id].down = true;
    nodes[id].brain.reset();
  }

  core& at(node_id id) {
    return *nodes[id].brain;
  }

  void give(node_id id, const input& what) {
    if (nodes[id].down)
      return;
    effects out;
    at(id).step(what, now, out);
    carry_out(id, out);
  }

  void carry_out(node_id id, effects& out) {
    auto& one = nodes[id];
    for (auto& what : out.messages)
      network.push_back(std::move(what));
    for (auto& what : out.answers)
      one.answers.push_back(what);
    for (auto& what : out.committed) {
      REQUIRE(what.index == next_to_apply(one));
      one.applied.push_back(what);
    }
    auto applied_to =
      out.committed.empty() ? log_index{0} : out.committed.back().index;
    if (out.write)
      one.storage.queue.push_back(*std::move(out.write));
    std::vector<input> next;
    if (applied_to != 0)
      next.push_back(applied{applied_to});
    snapshot_work(one, out, next);
    check_safety();
    for (const auto& what : next)
      give(id, what);
    if (one.storage.automatic && !one.down)
      sync(id);
  }

  /// Finishes `count` writes of a disk (all by default), oldest first.
  void sync(node_id id, std::size_t count = SIZE_MAX) {
    auto& one = nodes[id];
    while (count-- > 0 && !one.storage.queue.empty() && !one.down) {
      auto write = std::move(one.storage.queue.front());
      one.storage.queue.pop_front();
      one.storage.carry_out(write);
      give(id, persisted{write.id});
    }
  }

  /// Delivers messages until there are none; those for which `lost` is true
  /// vanish. Answers how many were delivered.
  std::size_t deliver(const filter& lost = {}, std::size_t most = 100'000) {
    std::size_t count = 0;
    while (!network.empty() && count < most) {
      auto what = std::move(network.front());
      network.pop_front();
      if (nodes[what.to].down || !nodes.contains(what.from)
          || (lost && lost(what)))
        continue;
      ++count;
      auto to = what.to;
      give(to, received{std::move(what)});
    }
    REQUIRE(network.empty());
    return count;
  }

  /// Time passes for all; whoever is due is told so.
  void pass(time span, const filter& lost = {}) {
    auto until = now + span;
    while (now < until) {
      now += 5ms;
      for (auto& [id, one] : nodes)
        if (!one.down && at(id).next_deadline() <= now)
          give(id, tick{});
      deliver(lost);
    }
  }

  /// Makes `id` leader, everybody else willing.
  void elect(node_id id) {
    for (int i = 0; i < 20 && at(id).state().role != role::leader; ++i) {
      now += 2 * base_.election_timeout;
      give(id, campaign{});
      deliver();
    }
    REQUIRE(at(id).state().role == role::leader);
  }

  node_id leader() const {
    node_id found = nobody;
    term_number term = 0;
    for (const auto& [id, one] : nodes)
      if (!one.down && one.brain->state().role == role::leader
          && one.brain->state().term > term) {
        found = id;
        term = one.brain->state().term;
      }
    return found;
  }

  /// Proposes one command. The request's number is the count of proposals.
  request_id propose_to(node_id id, std::string_view text) {
    give(id, propose{++requests, {slice::copy_of(text)}});
    return requests;
  }

  std::vector<answer> answers_to(node_id id, request_id request) {
    std::vector<answer> found;
    for (const auto& one : nodes[id].answers)
      if (one.request == request)
        found.push_back(one);
    return found;
  }

  std::vector<std::string> commands(node_id id) {
    std::vector<std::string> texts;
    for (const auto& one : nodes[id].applied)
      if (one.kind == entry_kind::command)
        texts.emplace_back(one.data.view());
    return texts;
  }

  /// A snapshot of what the node has applied.
  bool take_snapshot(node_id id) {
    auto& one = nodes[id];
    auto meta = at(id).snapshot_meta_at(at(id).state().applied);
    if (!meta)
      return false;
    meta->bytes = one.applied.size();
    one.snapshots[meta->index] = one.applied;
    one.storage.durable.snapshot = *meta;
    give(id, snapshot_taken{*meta});
    return true;
  }

  std::map<node_id, node> nodes;
  std::deque<message> network;
  time now = 1s;
  request_id requests = 0;

private:
  static log_index next_to_apply(const node& one) {
    return one.applied.empty() ? one.storage.durable.snapshot.index + 1
                               : one.applied.back().index + 1;
  }

  // The bytes of a snapshot are a number of the sender's map: the tests look at
  // how chunks travel, the entries themselves come by the side.
  void snapshot_work(node& one, effects& out, std::vector<input>& next) {
    for (const auto& wanted : out.chunk_reads) {
      auto text = std::string(10, 'x');
      auto part = text.substr(std::min<std::size_t>(wanted.offset, 10), 4);
      auto last = wanted.offset + part.size() == text.size();
      next.push_back(chunk_read{wanted.to, wanted.meta.index, wanted.offset,
                                slice::copy_of(part), last});
      carried_[wanted.meta.index] = one.snapshots[wanted.meta.index];
    }
    if (out.store) {
      if (out.store->offset == 0)
        one.partial.clear();
      REQUIRE(out.store->offset == one.partial.size());
      one.partial += out.store->data.view();
      next.push_back(chunk_stored{out.store->meta.index, one.partial.size()});
    }
    if (out.install) {
      REQUIRE(one.partial == std::string(10, 'x'));
      auto index = out.install->index;
      one.snapshots[index] = carried_[index];
      one.applied = carried_[index];
      one.storage.durable.snapshot = *out.install;
      next.push_back(snapshot_installed{index});
    }
  }

  // One leader a term; logs that agree on a term at an index agree up to it;
  // what one node applied at an index, all did.
  void check_safety() {
    for (auto& [id, one] : nodes) {
      if (one.down)
        continue;
      auto now_is = one.brain->state();
      if (now_is.role == role::leader) {
        auto [place, fresh] = leaders_.emplace(now_is.term, id);
        REQUIRE((fresh || place->second == id));
      }
      for (; checked_[id] < one.applied.size(); ++checked_[id]) {
        const auto& what = one.applied[checked_[id]];
        auto [place, fresh] = truth_.emplace(what.index, what);
        REQUIRE((fresh || place->second == what));
      }
      checked_[id] = std::min(checked_[id], one.applied.size());
    }
  }

  options base_;
  std::map<term_number, node_id> leaders_;
  std::map<log_index, entry> truth_;
  std::map<node_id, std::size_t> checked_;
  std::map<log_index, std::vector<entry>> carried_;
};

/// One core by itself: the test plays everybody else.
class lone_core {
public:
  explicit lone_core(options settings, durable_state state = {}) {
    settings.id = settings.id == nobody ? 1 : settings.id;
    if (state.snapshot.members.voters.empty())
      state.snapshot.members = voters_of({1, 2, 3});
    auto made = core::create(settings, std::move(state), now);
    REQUIRE(made);
    brain = std::make_unique<core>(*std::move(made));
  }

  effects& give(const input& what) {
    brain->step(what, now, out);
    if (out.write)
      writes.push_back(*out.write);
    return out;
  }

  /// A message from another node, under incarnation 0.
  effects& hear(node_id from, term_number term, message_body body) {
    return give(
      received{{from, brain->settings().id, 0, term, std::move(body)}});
  }

  /// All writes so far are durable. Answers the messages that this frees.
  std::vector<message> sync() {
    if (writes.empty())
      return {};
    auto last = writes.back().id;
    return give(persisted{last}).messages;
  }

  /// Leads in the next term, its first entry on every disk.
  void lead() {
    for (int i = 0; i < 4 && state().role != role::leader; ++i) {
      give(campaign{});
      sync();
      if (state().role == role::pre_candidate)
        hear(2, state().term + 1, vote_reply{true, true});
      sync();
      if (state().role == role::candidate)
        hear(2, state().term, vote_reply{false, true});
    }
    REQUIRE(state().role == role::leader);
    sync();
    for (node_id peer : {2, 3})
      hear(peer, state().term, append_reply{false, state().last_index, 0, 0});
    REQUIRE(state().commit == state().last_index);
  }

  [[nodiscard]] status state() const {
    return brain->state();
  }

  std::unique_ptr<core> brain;
  effects out;
  std::vector<disk_write> writes;
  time now = 1s;
};

/// The first body of this kind among messages to `to`, if any.
template <class Body>
std::optional<Body> sent(const std::vector<message>& messages, node_id to) {
  for (const auto& one : messages)
    if (one.to == to)
      if (const auto* body = std::get_if<Body>(&one.body))
        return *body;
  return std::nullopt;
}

inline entry command(term_number term, log_index index,
                     std::string_view text = "x") {
  return {term, index, entry_kind::command, slice::copy_of(text)};
}

/// `count` voters, one of which leads.
inline cluster elected(std::size_t count, node_id leader = 1,
                       options base = {}) {
  std::vector<node_id> ids;
  for (node_id id = 1; id <= count; ++id)
    ids.push_back(id);
  cluster all{base};
  for (auto id : ids)
    all.add(id, voters_of(ids));
  all.elect(leader);
  return all;
}

} // namespace neuroplex::raft::testing
