// The end of an epoch by Raft: who wants it, who stopped where, who holds what.
#include "consensus/hybrid/core.hpp"

#include "consensus/pbft/codec.hpp"

#include <algorithm>

namespace neuroplex::hybrid {

namespace {

/// Bytes of entries that one message carries.
constexpr std::size_t piece_bytes = std::size_t{1} << 20;

/// A doubt counts for so many intervals since it was heard.
constexpr int doubt_intervals = 4;

} // namespace

bool core::has_cause() {
  const auto& known = epochs_[followed_.epoch];
  if (run_->wanted_to_end || run_->leader_lies || !run_->node
      || known.links.size() >= options_.max_epoch_entries
      || now_ - run_->leader_heard > options_.leader_timeout)
    return true;
  for (const auto& [client, one] : run_->waiting)
    if (now_ - one.since > options_.agreement.request_timeout)
      return true;
  return !trust_.trusts_all(now_);
}

void core::consider_stopping() {
  auto cause = has_cause();
  if (cause && !run_->suspects)
    standing_at_ = now_; // tells the others at once
  run_->suspects = cause;
  if (epochs_[followed_.epoch].stopped)
    return;
  std::size_t count = cause ? 1 : 0;
  for (auto other : options_.agreement.replicas) {
    auto heard = run_->doubts.find(other);
    auto fresh = heard != run_->doubts.end()
                 && now_ - heard->second.at
                      <= doubt_intervals * options_.agreement.resend_interval;
    if (other != options_.agreement.id
        && (fresh || run_->stops.contains(other)))
      ++count;
  }
  if (count >= options_.agreement.weak_quorum())
    stop_here();
}

// From here on this replica accepts nothing in the epoch. All that its node has
// accepted goes to the disk in the same write, or went before.
void core::stop_here() {
  auto& known = epochs_[followed_.epoch];
  known.stopped = true;
  run_->node.reset();
  run_->stopped_after = remember(stopped_record{followed_.epoch});
  calm_ = trust_.trusts_all(now_) ? options_.calm
                                  : std::min(2 * calm_, options_.longest_calm);
  tell_stop();
}

void core::tell_stop() {
  auto& known = epochs_[followed_.epoch];
  auto self = options_.agreement.id;
  auto own = run_->stops.find(self);
  if (own == run_->stops.end()) {
    auto length = known.links.size();
    if (leads() && known.vouched.index != length) {
      known.vouched = {length, chain_at(known, length)};
      known.by_leader = keys_.own->sign(head_statement(
        options_.agreement.group, followed_.epoch, known.vouched));
    }
    stop said{self, followed_.epoch, known.vouched, known.by_leader, {}};
    said.by = keys_.own->sign(stop_statement(options_.agreement.group, said));
    own = run_->stops.emplace(self, said).first;
  }
  // With the words for which we stopped, or others might go on without us.
  for (const auto& [replica, one] : run_->doubts)
    broadcast(one.what, run_->stopped_after);
  for (const auto& [replica, one] : run_->stops)
    broadcast(one, run_->stopped_after);
  for (const auto& [replica, one] : run_->stops)
    if (locate(followed_.epoch, one.last))
      hold(one.last, run_->stopped_after);
  for (const auto& [what, after] : run_->held)
    broadcast(run_->holdings.at({what, self}), after);
}

void core::receive(node_id from, const doubt& body) {
  if (!run_ || body.epoch != followed_.epoch
      || body.replica == options_.agreement.id
      || !options_.agreement.index_of(body.replica))
    return;
  auto known = run_->doubts.find(body.replica);
  auto again = known != run_->doubts.end() && known->second.what == body;
  if (!again
      && !keys_.own->is_signed(body.replica,
                               doubt_statement(options_.agreement.group, body),
                               body.by)) {
    trust_.saw(from, fault_kind::false_proof, now_);
    return;
  }
  run_->doubts[body.replica] = {body, now_};
}

// From who stopped, or passed on.
void core::receive(node_id from, const stop& body) {
  if (!run_ || body.epoch != followed_.epoch
      || body.replica == options_.agreement.id
      || !options_.agreement.index_of(body.replica))
    return;
  auto known = run_->stops.find(body.replica);
  if (known != run_->stops.end() && known->second == body)
    return;
  if (!is_valid(settled_.rules(), body)) {
    trust_.saw(from, fault_kind::false_proof, now_);
    return;
  }
  if (known != run_->stops.end()) {
    if (!(known->second.last == body.last))
      trust_.saw(body.replica, fault_kind::equivocation, now_);
    return;
  }
  run_->stops.emplace(body.replica, body);
  if (!epochs_[followed_.epoch].stopped)
    return;
  if (locate(followed_.epoch, body.last))
    hold(body.last, run_->stopped_after);
  else
    want_chain(followed_.epoch, body.last, from);
}

void core::receive(node_id from, const holding& body) {
  if (!run_ || body.epoch != followed_.epoch || body.replica != from
      || run_->holdings.contains({body.what, from})
      || run_->holdings.size() >= limits::max_words * limits::max_words)
    return;
  if (is_valid(settled_.rules(), body))
    run_->holdings.emplace(std::make_pair(body.what, from), body);
  else
    trust_.saw(from, fault_kind::false_proof, now_);
}

void core::hold(const head& what, write_id after) {
  if (what.index == 0 || run_->held.contains(what))
    return;
  holding said{options_.agreement.id, followed_.epoch, what, {}};
  said.by = keys_.own->sign(holding_statement(options_.agreement.group, said));
  run_->held[what] = after;
  run_->holdings.emplace(std::make_pair(what, said.replica), said);
  broadcast(said, after);
}

std::optional<core::chain_view> core::locate(epoch_number epoch,
                                             const head& last) const {
  auto found = epochs_.find(epoch);
  if (found == epochs_.end())
    return std::nullopt;
  const auto& known = found->second;
  if (last.index <= known.links.size()
      && chain_at(known, last.index) == last.chain)
    return chain_view{&known, nullptr};
  for (const auto& one : known.branches)
    if (last.index > one.after && last.index - one.after <= one.links.size()
        && one.links[last.index - one.after - 1].chain == last.chain)
      return chain_view{&known, &one};
  return std::nullopt;
}

const core::link& core::link_at(const chain_view& in, log_index index) {
  if (in.branch != nullptr && index > in.branch->after)
    return in.branch->links[index - in.branch->after - 1];
  return in.of->links[index - 1];
}

void core::want_chain(epoch_number epoch, const head& what, node_id from) {
  if (wanted_.size() >= 2 * limits::max_branches)
    return;
  auto [found, fresh] = wanted_.try_emplace({epoch, what});
  if (!fresh)
    return;
  found->second.missing = what;
  send(from, entries_wanted{epoch, what}, 0);
}

void core::ask_for_chains() {
  if (run_ && epochs_[followed_.epoch].stopped)
    for (const auto& [replica, one] : run_->stops)
      if (!locate(followed_.epoch, one.last))
        want_chain(followed_.epoch, one.last, replica);
  const auto& all = options_.agreement.replicas;
  for (auto& [key, one] : wanted_) {
    if (one.impossible)
      continue;
    auto peer = all[one.asked++ % all.size()];
    if (peer != options_.agreement.id)
      send(peer, entries_wanted{key.first, one.missing}, 0);
  }
}

void core::receive(node_id from, const entries_wanted& body) {
  auto chain = locate(body.epoch, body.last);
  if (!chain || body.last.index == 0)
    return;
  entries_sent reply{body.epoch, body.last, {}, {}};
  auto first = body.last.index;
  for (std::size_t bytes = 0, count = 0; first > 0; --first, ++count) {
    bytes += link_at(*chain, first).what.data.size();
    if (count > 0 && (bytes > piece_bytes || count == limits::max_entries))
      break;
  }
  for (auto at = first + 1; at <= body.last.index; ++at)
    reply.entries.push_back(link_at(*chain, at).what);
  reply.before = first == 0 ? chain->of->start : link_at(*chain, first).chain;
  send(from, reply, 0);
}

void core::receive(node_id from, const entries_sent& body) {
  auto found =
    std::find_if(wanted_.begin(), wanted_.end(), [&](const auto& one) {
      return one.first.first == body.epoch && one.second.missing == body.last
             && !one.second.impossible;
    });
  if (found == wanted_.end())
    return;
  // Whoever has the hash of the last can check the others, back to front.
  std::vector<link> links;
  auto chain = body.before;
  auto index = body.last.index - body.entries.size();
  auto good = !body.entries.empty() && body.entries.size() <= body.last.index;
  for (const auto& one : body.entries) {
    good = good && one.index == ++index
           && one.kind != raft::entry_kind::configuration;
    chain = chain_after(*keys_.own, chain, one);
    links.push_back({one, chain});
  }
  if (!good || chain != body.last.chain) {
    trust_.saw(from, fault_kind::false_proof, now_);
    return;
  }
  auto& what = found->second;
  for (const auto& one : links)
    what.authentic = what.authentic && is_authentic(one.what);
  what.got.insert(what.got.end(), links.rbegin(), links.rend());
  what.missing = {links.front().what.index - 1, body.before};
  const auto& known = epochs_[body.epoch];
  auto reached = what.missing.index <= known.links.size()
                 && chain_at(known, what.missing.index) == what.missing.chain;
  if (reached) {
    auto done = std::move(what);
    auto key = found->first;
    wanted_.erase(found);
    complete_chain(key.first, key.second, done);
  } else if (what.missing.index == 0) {
    what.impossible = true; // the leader signed what follows on nothing
    what.got.clear();
  } else {
    send(from, entries_wanted{body.epoch, what.missing}, 0);
  }
}

void core::complete_chain(epoch_number epoch, const head& last,
                          const chain_wanted& what) {
  auto needed = needed_ && needed_->first == epoch && needed_->second == last;
  auto& known = epochs_[epoch];
  if (!(what.authentic || needed)
      || known.branches.size() >= 2 * limits::max_branches)
    return;
  kept_branch kept{what.missing.index, {what.got.rbegin(), what.got.rend()}};
  branch_record saved{epoch, kept.after, {}};
  for (const auto& one : kept.links)
    saved.entries.push_back(one.what);
  known.branches.push_back(std::move(kept));
  auto after = remember(std::move(saved));
  if (what.authentic && run_ && followed_.epoch == epoch && known.stopped)
    hold(last, std::max(after, run_->stopped_after));
}

} // namespace neuroplex::hybrid
