#include "consensus/hybrid/settled_state.hpp"

#include "consensus/hybrid/limits.hpp"
#include "consensus/pbft/codec.hpp"
#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::hybrid {

namespace {

digest root_of(const crypto& keys, const ledger& what) {
  std::vector<digest> digests;
  for (const auto& one : what.pieces())
    digests.push_back(keys.hash(one.view()));
  return pbft::root_of(keys, digests);
}

} // namespace

slice execute_entry(ledger& on, const entry& what, const epoch_info& where,
                    bool settled, std::vector<execution>& told) {
  slice last;
  if (what.kind != raft::entry_kind::command)
    return last;
  auto requests = pbft::decode_batch(what.data);
  if (!requests)
    return last;
  for (const auto& one : **requests) {
    auto asked = decode_order(one.operation);
    const auto* wish = asked ? std::get_if<command>(&*asked) : nullptr;
    if (wish == nullptr)
      continue;
    auto fresh = false;
    last = on.execute(one.client, *wish, fresh);
    if (fresh)
      told.push_back(
        {on.position(), where, settled, one.client, wish->number, wish->what});
  }
  return last;
}

settled_state::settled_state(const pbft::options& group,
                             std::shared_ptr<const crypto> keys,
                             std::unique_ptr<state_machine> empty)
  : group_{group}, keys_{std::move(keys)},
    last_leader_{group.replicas.front()}, ledger_{std::move(empty)} {
  root_ = root_of(*keys_, ledger_);
}

epoch_rules settled_state::rules() const {
  return {group_, *keys_, where_,
          chain_start(*keys_, group_.group, where_, root_)};
}

result settled_state::execute(const request& what,
                              std::vector<execution>& told) {
  auto asked = decode_order(what.operation);
  if (!asked)
    return {result_kind::refused, where_, {}};
  if (const auto* wish = std::get_if<command>(&*asked)) {
    if (where_.how != mode::pbft)
      return {result_kind::moved, where_, {}};
    auto fresh = false;
    auto bytes = ledger_.execute(what.client, *wish, fresh);
    if (fresh)
      told.push_back({ledger_.position(), where_, true, what.client,
                      wish->number, wish->what});
    return {result_kind::done, {}, bytes};
  }
  if (const auto* cast = std::get_if<open_vote>(&*asked))
    for (auto replica : group_.replicas)
      if (what.client == control_client_of(replica))
        return vote(replica, *cast);
  return {result_kind::refused, where_, {}};
}

result settled_state::read(std::string_view operation) const {
  auto asked = decode_order(slice::copy_of(operation));
  const auto* wish = asked ? std::get_if<command>(&*asked) : nullptr;
  if (wish == nullptr)
    return {result_kind::refused, where_, {}};
  if (where_.how != mode::pbft)
    return {result_kind::moved, where_, {}};
  return {result_kind::done, {}, ledger_.read(wish->what.view())};
}

std::optional<head> settled_state::closes(const request& what) const {
  if (where_.how != mode::raft)
    return std::nullopt;
  auto asked = decode_order(what.operation);
  const auto* order = asked ? std::get_if<close_order>(&*asked) : nullptr;
  return order != nullptr ? choose_history(rules(), *order) : std::nullopt;
}

result settled_state::close(const std::vector<entry>& history,
                            std::vector<execution>& told) {
  for (const auto& one : history)
    execute_entry(ledger_, one, where_, true, told);
  enter({where_.epoch + 1, mode::pbft, nobody});
  return {result_kind::done, where_, {}};
}

result settled_state::vote(node_id replica, const open_vote& what) {
  if (where_.how != mode::pbft || what.epoch != where_.epoch)
    return {result_kind::refused, where_, {}};
  if (what.willing)
    votes_[replica] = what.leaders;
  else
    votes_.erase(replica);
  if (votes_.size() >= group_.quorum()) {
    auto leader = choose_leader();
    if (leader != nobody) {
      last_leader_ = leader;
      enter({where_.epoch + 1, mode::raft, leader});
    }
  }
  return {result_kind::done, where_, {}};
}

// The last one or whoever comes after it in the list, if a correct replica
// would have it.
node_id settled_state::choose_leader() const {
  auto from = *group_.index_of(last_leader_);
  for (std::size_t i = 0; i < group_.replicas.size(); ++i) {
    auto one = group_.replicas[(from + i) % group_.replicas.size()];
    auto wanted_by =
      std::count_if(votes_.begin(), votes_.end(), [one](const auto& vote) {
        return std::find(vote.second.begin(), vote.second.end(), one)
               != vote.second.end();
      });
    if (static_cast<std::size_t>(wanted_by) >= group_.weak_quorum())
      return one;
  }
  return nobody;
}

void settled_state::enter(const epoch_info& next) {
  where_ = next;
  votes_.clear();
  root_ = root_of(*keys_, ledger_);
}

std::vector<slice> settled_state::pieces() const {
  std::string bytes;
  wire_writer out{bytes};
  out.put(where_.epoch);
  out.put_bool(where_.how == mode::raft);
  out.put(where_.leader);
  out.put(last_leader_);
  put_raw(bytes, root_);
  out.put(static_cast<std::uint32_t>(votes_.size()));
  for (const auto& [replica, leaders] : votes_) {
    out.put(replica);
    out.put(static_cast<std::uint32_t>(leaders.size()));
    for (auto one : leaders)
      out.put(one);
  }
  std::vector<slice> result{slice::copy_of(bytes)};
  for (auto& one : ledger_.pieces())
    result.push_back(std::move(one));
  return result;
}

bool settled_state::load(std::span<const slice> pieces) {
  if (pieces.empty())
    return false;
  wire_reader in{pieces.front().view()};
  epoch_info where;
  where.epoch = in.take<std::uint64_t>();
  where.how = in.take_bool() ? mode::raft : mode::pbft;
  where.leader = in.take<std::uint64_t>();
  auto last_leader = in.take<std::uint64_t>();
  auto root = take_raw<digest>(in);
  std::map<node_id, std::vector<node_id>> votes;
  auto count = in.take<std::uint32_t>();
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto& leaders = votes[in.take<std::uint64_t>()];
    auto named = in.take<std::uint32_t>();
    for (std::size_t j = 0; j < named && !in.failed(); ++j)
      leaders.push_back(in.take<std::uint64_t>());
  }
  if (!in.complete() || !group_.index_of(last_leader)
      || !ledger_.load(pieces.subspan(1)))
    return false;
  where_ = where;
  last_leader_ = last_leader;
  root_ = root;
  votes_ = std::move(votes);
  return true;
}

} // namespace neuroplex::hybrid
