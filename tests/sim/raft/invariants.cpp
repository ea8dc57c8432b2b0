#include "tests/sim/raft/invariants.hpp"

#include "tests/sim/raft/register_map.hpp"

#include <algorithm>

namespace neuroplex::sim {

namespace {

std::string node_text(raft::node_id node) {
  return "node " + std::to_string(node);
}

std::string entry_text(raft::log_index index, raft::term_number term) {
  return "entry " + std::to_string(index) + " of term " + std::to_string(term);
}

} // namespace

void raft_invariants::saw_role(raft::node_id node, std::uint64_t life,
                               const raft::role_notice& notice,
                               const raft::raft_log& log) {
  if (notice.role != raft::role::leader) {
    return;
  }
  const auto known = leaders_.try_emplace(notice.term, office{node, life});
  const auto& first = known.first->second;
  if (first.node != node || first.life != life) {
    world_.fail("election safety: " + node_text(node) + " and "
                + node_text(first.node) + " lead term "
                + std::to_string(notice.term));
    return;
  }
  if (!known.second) {
    return;
  }
  for (auto index = log.base_index() + 1; index <= committed_.size(); ++index) {
    const auto& one = committed_[index - 1];
    if (one.committed_in < notice.term && log.term_of(index) != one.term) {
      world_.fail("leader completeness: " + node_text(node) + " leads term "
                  + std::to_string(notice.term) + " without committed "
                  + entry_text(index, one.term));
      return;
    }
  }
}

void raft_invariants::saw_promise(raft::member node,
                                  const raft::hard_state& durable) {
  auto& before = promises_[node];
  if (durable.term < before.term) {
    world_.fail("terms only grow: " + node_text(node.id) + " went from term "
                + std::to_string(before.term) + " back to "
                + std::to_string(durable.term));
  }
  if (durable.term == before.term && before.vote != raft::nobody
      && durable.vote != before.vote) {
    world_.fail("one vote a term: " + node_text(node.id) + " voted for "
                + node_text(before.vote) + " in term "
                + std::to_string(durable.term) + " and then for "
                + node_text(durable.vote));
  }
  before = durable;
}

void raft_invariants::saw_entries(raft::node_id node,
                                  const std::vector<raft::entry>& entries,
                                  std::optional<raft::term_number> prev_term) {
  for (const auto& one : entries) {
    const written told{content_hash(one), prev_term};
    const auto known = entries_.try_emplace({one.index, one.term}, told);
    auto& first = known.first->second;
    if (!first.prev_term) {
      first.prev_term = prev_term;
    }
    const auto same_before = !prev_term || first.prev_term == prev_term;
    if (first.hash != told.hash || !same_before) {
      world_.fail("log matching: " + node_text(node) + " has another "
                  + entry_text(one.index, one.term)
                  + (same_before ? "" : ", or another before it"));
      return;
    }
    prev_term = one.term;
  }
}

bool raft_invariants::majority_has(const std::vector<raft::member>& voters,
                                   const raft::entry& one) const {
  const auto copies =
    std::count_if(voters.begin(), voters.end(), [&](raft::member who) {
      return holds_(who, one.index, one.term);
    });
  return voters.empty() || static_cast<std::size_t>(copies) > voters.size() / 2;
}

bool raft_invariants::is_safe_in(const raft::configuration& members,
                                 const raft::entry& one) const {
  return majority_has(members.voters, one)
         && majority_has(members.outgoing, one);
}

void raft_invariants::saw_commit(raft::node_id node, const raft::entry& one,
                                 std::span<const raft::configuration> leading) {
  const auto hash = content_hash(one);
  if (one.index <= committed_.size()) {
    const auto& first = committed_[one.index - 1];
    if (first.hash != hash || first.term != one.term) {
      world_.fail("state machine safety: " + node_text(node) + " commits "
                  + entry_text(one.index, one.term) + " where "
                  + entry_text(one.index, first.term) + " was committed");
    }
    return;
  }
  if (one.index != committed_.size() + 1) {
    world_.fail("no gaps: " + node_text(node) + " commits "
                + entry_text(one.index, one.term) + " after index "
                + std::to_string(committed_.size()));
    return;
  }
  const auto latest = leaders_.empty() ? one.term : leaders_.rbegin()->first;
  committed_.push_back({one.term, hash, std::max(latest, one.term)});
  if (!leading.empty()
      && std::none_of(leading.begin(), leading.end(), [&](const auto& members) {
           return is_safe_in(members, one);
         })) {
    world_.fail("committed is durable: " + node_text(node) + " commits "
                + entry_text(one.index, one.term)
                + ", which a majority does not have on disk");
  }
}

void raft_invariants::saw_state(raft::node_id node, raft::log_index index,
                                std::uint64_t digest) {
  const auto known = digests_.try_emplace(index, digest);
  if (known.first->second != digest) {
    world_.fail("state machine safety: " + node_text(node)
                + " has another state at index " + std::to_string(index));
  }
}

} // namespace neuroplex::sim
