#include "tests/raft/group.hpp"

#include <algorithm>

namespace neuroplex::raft_scenarios {

using namespace raft;

namespace {

/// What stands for the state machine's bytes; tests look at indexes only.
constexpr std::string_view snapshot_text = "snapshot";

} // namespace

void group::add(options settings, configuration members, log_index index) {
  auto& node = nodes_[settings.id];
  node.settings = settings;
  node.now = std::chrono::seconds{1};
  durable_state state;
  state.snapshot.index = index;
  state.snapshot.members = std::move(members);
  state.snapshot.bytes = snapshot_text.size();
  node.applied = index;
  auto made = core::create(settings, std::move(state), node.now);
  NEUROPLEX_ENSURE(static_cast<bool>(made));
  node.brain = std::make_unique<core>(*std::move(made));
}

bool group::give(node_id id, const input& what) {
  auto& node = nodes_.at(id);
  effects out;
  node.brain->step(what, node.now, out);
  auto refused =
    std::any_of(out.answers.begin(), out.answers.end(), [](const answer& one) {
      return one.kind == answer_kind::refused;
    });
  if (!out.empty())
    node.ready.push_back(std::move(out));
  return refused;
}

void group::carry_out_disk(script_node& node, const disk_write& write) {
  auto& disk = node.disk;
  if (write.reset_to)
    disk.clear();
  if (write.truncate_from)
    std::erase_if(disk, [&](const entry& one) {
      return one.index >= *write.truncate_from;
    });
  disk.insert(disk.end(), write.entries.begin(), write.entries.end());
  if (write.compact_to)
    std::erase_if(
      disk, [&](const entry& one) { return one.index <= *write.compact_to; });
}

void group::carry_out_snapshots(node_id id, const effects& what) {
  auto& node = nodes_.at(id);
  for (const auto& wanted : what.chunk_reads)
    give(id, chunk_read{wanted.to, wanted.meta.index, wanted.offset,
                        slice::copy_of(snapshot_text), true});
  if (what.store) {
    node.partial = what.store->data.view();
    give(id, chunk_stored{what.store->meta.index, node.partial.size()});
  }
  if (what.install) {
    node.applied = what.install->index;
    give(id, snapshot_installed{what.install->index});
  }
}

bool group::process(node_id id) {
  auto& node = nodes_.at(id);
  auto turn = std::exchange(node.ready, {});
  if (turn.empty())
    return false;
  log_index applied_to = 0;
  for (auto& what : turn) {
    if (what.write)
      carry_out_disk(node, *what.write);
    for (auto& one : what.messages)
      network_.push_back(std::move(one));
    for (const auto& one : what.committed) {
      if (one.index != node.applied + 1)
        broken_ = "applied out of order";
      node.applied = one.index;
      applied_to = one.index;
      auto [place, fresh] = truth_.emplace(one.index, one);
      if (!fresh && !(place->second == one))
        broken_ = "two nodes applied different entries at one index";
    }
  }
  for (const auto& what : turn) {
    if (!what.write)
      continue;
    effects out;
    node.brain->step(persisted{what.write->id}, node.now, out);
    // What had waited for this very write leaves in the same turn.
    for (auto& one : out.messages)
      network_.push_back(std::move(one));
    out.messages.clear();
    if (!out.empty())
      node.ready.push_back(std::move(out));
  }
  if (applied_to != 0)
    give(id, applied{applied_to});
  for (const auto& what : turn)
    carry_out_snapshots(id, what);
  return true;
}

bool group::deliver(node_id id) {
  std::vector<message> now;
  std::erase_if(network_, [&](message& one) {
    if (one.to != id)
      return false;
    now.push_back(std::move(one));
    return true;
  });
  for (auto& one : now)
    if (nodes_.contains(id))
      give(id, received{std::move(one)});
  return !now.empty();
}

void group::drop(node_id id) {
  std::erase_if(network_, [&](const message& one) { return one.to == id; });
}

void group::stabilize(const std::vector<node_id>& ids) {
  constexpr int most_turns = 10'000;
  for (int turn = 0; turn < most_turns; ++turn) {
    bool busy = false;
    for (auto id : ids)
      busy = process(id) || busy;
    for (auto id : ids)
      busy = deliver(id) || busy;
    if (!busy)
      return;
  }
  broken_ = "the nodes never come to rest";
}

void group::tick(node_id id) {
  nodes_.at(id).now += script_tick;
  give(id, raft::tick{});
}

void group::compact(node_id id, log_index index) {
  auto meta = nodes_.at(id).brain->snapshot_meta_at(index);
  if (!meta) {
    broken_ = "no snapshot can be taken there";
    return;
  }
  meta->bytes = snapshot_text.size();
  give(id, snapshot_taken{*meta});
  process(id);
}

std::vector<node_id> group::ids() const {
  std::vector<node_id> all;
  for (const auto& [id, node] : nodes_)
    all.push_back(id);
  return all;
}

std::string group::check() {
  for (const auto& [id, node] : nodes_) {
    auto state = node.brain->state();
    if (state.role == role::leader) {
      auto [place, fresh] = leaders_.emplace(state.term, id);
      if (!fresh && place->second != id)
        broken_ = "two leaders in one term";
    }
    for (const auto& [other_id, other] : nodes_) {
      const auto& x = node.brain->log();
      const auto& y = other.brain->log();
      bool agreed = false;
      auto last = std::min(x.last_index(), y.last_index());
      auto first = std::max(x.first_index(), y.first_index());
      for (auto index = last; index >= first && index > 0; --index) {
        auto same = x.at(index) == y.at(index);
        if (agreed && !same)
          broken_ = "logs differ below an index where they agree";
        agreed = agreed || *x.term_of(index) == *y.term_of(index);
        if (agreed && !same)
          broken_ = "logs differ where their terms agree";
      }
    }
  }
  return broken_;
}

} // namespace neuroplex::raft_scenarios
