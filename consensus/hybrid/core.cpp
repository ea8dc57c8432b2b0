#include "consensus/hybrid/core.hpp"

#include <algorithm>

namespace neuroplex::hybrid {

namespace {

/// Of PBFT, whose packets come here as well.
bool is_reply(std::string_view bytes) noexcept {
  return bytes.size() > 1 && !is_hybrid(bytes)
         && static_cast<unsigned char>(bytes[1])
              == pbft::message_body{pbft::reply{}}.index();
}

std::optional<fault_kind> kind_of(pbft::misdeed what) noexcept {
  using pbft::misdeed;
  switch (what) {
    case misdeed::bad_mac:
      return fault_kind::bad_mac;
    case misdeed::malformed:
      return fault_kind::malformed;
    case misdeed::unauthentic_request:
      return std::nullopt; // perhaps it is the client who lies
    case misdeed::conflicting_pre_prepare:
    case misdeed::conflicting_vote:
    case misdeed::conflicting_checkpoint:
      return fault_kind::equivocation;
    case misdeed::divergent_state:
      return fault_kind::divergent_digest;
    case misdeed::wrong_digest:
    case misdeed::bad_signature:
    case misdeed::bad_view_change:
    case misdeed::bad_new_view:
    case misdeed::bad_piece:
      return fault_kind::false_proof;
  }
  return std::nullopt;
}

std::vector<node_id> others_of(const options& settings) {
  auto result = settings.agreement.replicas;
  std::erase(result, settings.agreement.id);
  return result;
}

} // namespace

expected<core> core::create(const options& settings, const replica_keys& keys,
                            std::unique_ptr<state_machine> empty,
                            durable_state state, timestamp first_request,
                            time now) {
  if (auto valid = settings.validate(); !valid)
    return valid.error();
  for (const auto& [epoch, log] : state.epochs)
    for (std::size_t i = 0; i < log.entries.size(); ++i)
      if (log.entries[i].index != i + 1)
        return failure{errc::corrupt, "hybrid: the durable log of epoch "
                                        + std::to_string(epoch)
                                        + " has a gap: replace this replica"};
  auto agreement = pbft::core::create(settings.agreement, keys.own,
                                      std::move(state.agreement), now);
  if (!agreement)
    return agreement.error();
  auto of_control = settings.agreement;
  of_control.id = control_client_of(settings.agreement.id);
  auto control = pbft::client::create(of_control, keys.control, first_request);
  if (!control)
    return control.error();
  return core{settings,
              keys,
              std::move(empty),
              *std::move(agreement),
              *std::move(control),
              state.epochs,
              now};
}

core::core(const options& settings, const replica_keys& keys,
           std::unique_ptr<state_machine> empty, pbft::core agreement,
           pbft::client control,
           const std::map<epoch_number, epoch_log>& epochs, time now)
  : options_{settings}, keys_{keys}, now_{now}, settled_{settings.agreement,
                                                         keys.own,
                                                         std::move(empty)},
    trust_{settings.trust, others_of(settings), now},
    agreement_{std::move(agreement)}, control_{std::move(control)},
    epoch_since_{now}, calm_{settings.calm}, standing_at_{now} {
  for (const auto& [number, log] : epochs) {
    auto& known = epochs_[number];
    known = {log.start,     log.hard, {},          log.vouched,
             log.by_leader, {},       log.stopped, log.closed_at};
    for (const auto& one : log.entries) {
      auto chain = chain_after(*keys_.own, chain_at(known, one.index - 1), one);
      known.links.push_back({one, chain});
    }
    for (const auto& one : log.branches) {
      kept_branch kept{one.after, {}};
      auto chain = chain_at(known, one.after);
      for (const auto& next : one.entries) {
        chain = chain_after(*keys_.own, chain, next);
        kept.links.push_back({next, chain});
      }
      known.branches.push_back(std::move(kept));
    }
  }
}

void core::step(const input& what, time now, effects& out) {
  absorb(what, now);
  flush(now, out);
}

void core::absorb(const input& what, time now) {
  now_ = std::max(now_, now);
  if (stopped_)
    return;
  std::visit([this](const auto& one) { on(one); }, what);
}

void core::flush(time now, effects& out) {
  out.clear();
  now_ = std::max(now_, now);
  if (!stopped_) {
    flush_agreement();
    if (run_) {
      flush_raft();
      consider_stopping();
    }
    if (now_ >= standing_at_)
      steer();
    if (!records_.empty()) {
      pending_.write = disk_write{++last_write_, std::exchange(records_, {})};
      in_write_.own = last_write_;
      writes_.push_back(std::exchange(in_write_, {}));
    }
  }
  std::swap(out, pending_);
}

time core::next_deadline() const {
  if (stopped_)
    return time::max();
  auto next = std::min(
    {agreement_.next_deadline(), control_.next_deadline(), standing_at_});
  if (run_ && run_->node)
    next = std::min(next, run_->node->next_deadline());
  return next;
}

status core::state() const {
  status all;
  all.where = settled_.where();
  all.agreement = agreement_.state();
  all.position = settled_.ledger().position();
  all.running = local().position();
  all.lowest_trust = trust_.lowest_score(now_);
  all.certified = is_certified();
  all.fetching = needed_.has_value();
  all.stopped = stopped_;
  all.epochs_by_raft = runs_;
  all.rolled_back = rolled_back_;
  all.evidence = trust_.cases();
  auto known = epochs_.find(all.where.epoch);
  if (run_ && known != epochs_.end()) {
    auto length = known->second.links.size();
    all.accepted = {length, chain_at(known->second, length)};
    all.stopped_epoch = known->second.stopped;
    all.suspects = run_->suspects;
  }
  return all;
}

const ledger& core::local() const noexcept {
  return run_ ? run_->running : settled_.ledger();
}

void core::on(const tick& /*what*/) {
  agreement_.absorb(pbft::tick{}, now_);
  if (run_ && run_->node)
    run_->node->absorb(raft::tick{}, now_);
}

void core::on(const end_epoch& /*what*/) {
  if (run_)
    run_->wanted_to_end = true;
}

void core::on(const persist_failed& /*what*/) {
  stopped_ = true;
  agreement_.absorb(pbft::persist_failed{}, now_);
  run_.reset();
  held_.clear();
  records_.clear();
  pending_.clear();
}

void core::on(const persisted& what) {
  durable_write_ = std::max(durable_write_, what.write);
  while (!writes_.empty() && writes_.front().own <= durable_write_) {
    auto done = writes_.front();
    writes_.pop_front();
    if (done.agreement != 0)
      agreement_.absorb(pbft::persisted{done.agreement}, now_);
    if (done.raft != 0 && run_ && run_->node && done.epoch == followed_.epoch)
      run_->node->absorb(raft::persisted{done.raft}, now_);
  }
  release_held();
}

void core::on(const received& what) {
  const auto& bytes = what.what.bytes;
  auto from = pbft::claimed_sender(bytes.view());
  if (!is_hybrid(bytes.view())) {
    if (is_reply(bytes.view())) {
      pbft::client_effects wanted;
      control_.receive(what.what, now_, wanted);
      for (const auto& one : wanted.packets)
        pending_.packets.push_back(one);
    } else {
      agreement_.absorb(what, now_);
    }
    return;
  }
  if (from == nobody || from == options_.agreement.id)
    return;
  if (!keys_.own->is_authentic(from, bytes.view(), what.what.tag)) {
    trust_.saw(from, fault_kind::bad_mac, now_);
    return;
  }
  auto read = decode_message(bytes);
  if (!read) {
    trust_.saw(from, fault_kind::malformed, now_);
    return;
  }
  if (read->group != options_.agreement.group)
    return;
  if (!options_.agreement.index_of(from)
      && !std::holds_alternative<ask>(read->body))
    return;
  trust_.heard(from, now_);
  std::visit([this, from](const auto& body) { receive(from, body); },
             read->body);
}

void core::receive(node_id from, const answer& /*body*/) {
  trust_.saw(from, fault_kind::malformed, now_);
}

// PBFT goes on as long as what it hands out leads to more.
void core::flush_agreement() {
  pbft::effects wanted;
  for (auto more = true; more;) {
    flush_control();
    agreement_.flush(now_, wanted);
    for (auto& one : wanted.packets) {
      if (one.to != control_client_of(options_.agreement.id)) {
        pending_.packets.push_back(std::move(one));
        continue;
      }
      pbft::client_effects answered;
      control_.receive(one, now_, answered);
      for (const auto& next : answered.packets)
        pending_.packets.push_back(next);
    }
    if (wanted.write) {
      in_write_.agreement = wanted.write->id;
      for (auto& one : wanted.write->records)
        records_.emplace_back(std::move(one));
    }
    more =
      wanted.install || !wanted.executions.empty() || !wanted.reads.empty();
    if (wanted.install) {
      executions_.clear();
      needed_.reset();
      // A quorum signed for it: correct replicas write no other.
      NEUROPLEX_ENSURE(settled_.load(wanted.install->pieces));
      pending_.replaced = true;
      pending_.executed.clear();
      for (auto& [number, known] : epochs_)
        if (number < settled_.where().epoch && !known.closed_at) {
          known.closed_at = wanted.install->sequence;
          remember(closed_record{number, wanted.install->sequence});
        }
      agreement_.absorb(pbft::installed{wanted.install->sequence}, now_);
      follow_settled();
    }
    for (auto& one : wanted.executions)
      executions_.push_back({std::move(one), 0, {}});
    execute_pending();
    for (const auto& one : wanted.reads)
      agreement_.absorb(
        pbft::read_answered{one.client, one.number,
                            encode_result(settled_.read(one.operation.view()))},
        now_);
  }
  note_evidence();
  auto stable = agreement_.state().stable;
  std::erase_if(epochs_, [stable](const auto& one) {
    return one.second.closed_at && *one.second.closed_at <= stable;
  });
}

void core::execute_pending() {
  while (!executions_.empty()) {
    auto& batch = executions_.front();
    while (batch.next < batch.what.requests.size())
      if (!execute_next(batch))
        return;
    pbft::executed done{batch.what.sequence, std::move(batch.results), {}};
    if (batch.what.checkpoint)
      done.pieces = settled_.pieces();
    executions_.pop_front();
    agreement_.absorb(done, now_);
  }
}

// False while a history has to be fetched first.
bool core::execute_next(pending_execution& batch) {
  const auto& asked = batch.what.requests[batch.next];
  auto last = settled_.closes(asked);
  auto before = settled_.where();
  result done;
  if (last) {
    auto chain = locate(before.epoch, *last);
    if (!chain) {
      if (!needed_) {
        needed_ = {before.epoch, *last};
        want_chain(before.epoch, *last, nobody);
      }
      return false;
    }
    needed_.reset();
    std::vector<entry> history;
    for (log_index at = 1; at <= last->index; ++at)
      history.push_back(link_at(*chain, at).what);
    // What ran here on the word of a leader that said something else to others.
    if (run_ && run_->applied > 0
        && (run_->applied > last->index
            || link_at(*chain, run_->applied).chain
                 != chain_at(*chain->of, run_->applied)))
      rolled_back_ += local().position() - settled_.ledger().position();
    done = settled_.close(history, pending_.executed);
    epochs_[before.epoch].closed_at = batch.what.sequence;
    remember(closed_record{before.epoch, batch.what.sequence});
  } else {
    done = settled_.execute(asked, pending_.executed);
  }
  batch.results.push_back(encode_result(done));
  ++batch.next;
  if (!(settled_.where() == before))
    follow_settled();
  return true;
}

// The settled state is in another epoch than the one that is worked in.
void core::follow_settled() {
  const auto& where = settled_.where();
  if (where == followed_)
    return;
  if (run_)
    end_run();
  followed_ = where;
  epoch_since_ = now_;
  standings_.clear();
  last_order_.reset();
  order_at_ = now_;
  std::erase_if(wanted_, [this](const auto& one) {
    return one.first.first < followed_.epoch;
  });
  pending_.switched = where;
  if (where.how == mode::raft)
    begin_run();
  standing_at_ = now_;
}

// What the PBFT core holds against somebody counts here as well.
void core::note_evidence() {
  const auto& book = agreement_.misdeeds();
  auto fresh =
    std::min<std::uint64_t>(book.total() - evidence_seen_, book.cases().size());
  evidence_seen_ = book.total();
  for (auto at = book.cases().end() - static_cast<std::ptrdiff_t>(fresh);
       at != book.cases().end(); ++at)
    if (auto kind = kind_of(at->what))
      trust_.saw(at->who, *kind, now_);
}

// The replica as a client of its own group.
void core::flush_control() {
  pbft::client_effects wanted;
  auto next =
    control_.is_busy() || now_ < order_at_ ? std::nullopt : wanted_order();
  if (next) {
    auto bytes = encode_order(*next);
    if (last_order_ != bytes) {
      last_order_ = bytes;
      order_at_ = now_ + options_.agreement.resend_interval;
      control_.invoke(bytes, false, now_, wanted);
    }
  }
  control_.tick(now_, wanted);
  for (const auto& one : wanted.packets) {
    if (one.to == options_.agreement.id)
      agreement_.absorb(pbft::received{one}, now_);
    else
      pending_.packets.push_back(one);
  }
}

std::optional<order> core::wanted_order() {
  const auto& where = settled_.where();
  if (where.how == mode::raft) {
    if (!run_ || !epochs_[where.epoch].stopped)
      return std::nullopt;
    std::vector<stop> stops;
    for (const auto& [replica, one] : run_->stops)
      if (replica != options_.agreement.id
          || run_->stopped_after <= durable_write_)
        stops.push_back(one);
    std::vector<holding> holdings;
    for (const auto& [key, one] : run_->holdings)
      if (key.second != options_.agreement.id
          || run_->held.at(key.first) <= durable_write_)
        holdings.push_back(one);
    if (auto order = compose_order(settled_.rules(), stops, holdings))
      return *std::move(order);
    return std::nullopt;
  }
  open_vote vote{where.epoch, trust_.trusts_all(now_), {}};
  for (auto one : options_.agreement.replicas)
    if (one == options_.agreement.id || trust_.hears(one, now_))
      vote.leaders.push_back(one);
  vote.willing = vote.willing && options_.votes_for_raft
                 && now_ - epoch_since_ >= calm_
                 && vote.leaders.size() >= options_.agreement.quorum();
  if (vote.willing == settled_.has_vote_of(options_.agreement.id))
    return std::nullopt;
  return vote;
}

// At an interval: says where it is, again what may be lost, and looks at what
// time alone changes.
void core::steer() {
  standing_at_ = now_ + options_.agreement.resend_interval;
  tell_standing();
  ask_for_chains();
  if (run_ && epochs_[followed_.epoch].stopped)
    tell_stop();
}

void core::tell_standing() {
  standing said;
  said.where = settled_.where();
  said.root = settled_.root();
  auto own = standings_.find(options_.agreement.id);
  if (own == standings_.end()) {
    said.begun = keys_.own->sign(
      begun_statement(options_.agreement.group, said.where, said.root));
    own = standings_.emplace(options_.agreement.id, said).first;
  }
  said.begun = own->second.begun;
  if (run_) {
    const auto& known = epochs_[followed_.epoch];
    said.accepted = known.vouched;
    said.by_leader = known.by_leader;
  }
  broadcast(said, last_write_ + (records_.empty() ? 0 : 1));
  if (!run_ || !run_->suspects)
    return;
  doubt own_doubt{options_.agreement.id, followed_.epoch, {}};
  own_doubt.by =
    keys_.own->sign(doubt_statement(options_.agreement.group, own_doubt));
  broadcast(own_doubt, 0);
}

void core::receive(node_id from, const standing& body) {
  if (!(body.where == settled_.where()))
    return;
  auto known = standings_.find(from);
  if (known == standings_.end()) {
    if (!keys_.own->is_signed(
          from,
          begun_statement(options_.agreement.group, body.where, body.root),
          body.begun)) {
      trust_.saw(from, fault_kind::false_proof, now_);
      return;
    }
    if (body.root != settled_.root())
      trust_.saw(from, fault_kind::divergent_digest, now_);
    standings_.emplace(from, body);
  } else if (known->second.root != body.root) {
    trust_.saw(from, fault_kind::equivocation, now_);
    return;
  }
  if (!run_)
    return;
  // The leader signed for a chain that is not ours.
  const auto& here = epochs_[followed_.epoch];
  if (body.accepted.index > 0 && body.accepted.index <= here.links.size()
      && chain_at(here, body.accepted.index) != body.accepted.chain
      && is_vouched(settled_.rules(), body.accepted, body.by_leader)) {
    if (!run_->leader_lies)
      trust_.saw(followed_.leader, fault_kind::equivocation, now_);
    run_->leader_lies = true;
  }
}

bool core::is_certified() const {
  auto same = std::count_if(
    standings_.begin(), standings_.end(),
    [this](const auto& one) { return one.second.root == settled_.root(); });
  return static_cast<std::size_t>(same) >= options_.agreement.quorum();
}

void core::broadcast(const message_body& body, write_id after) {
  send(nobody, body, after);
}

void core::send(node_id to, const message_body& body, write_id after) {
  auto bytes =
    encode_message({options_.agreement.group, options_.agreement.id, body});
  if (after <= durable_write_)
    emit(to, bytes);
  else if (held_.size() < limits::max_held_packets) // else as if it were lost
    held_.push_back({after, to, bytes});
}

void core::emit(node_id to, const slice& bytes) {
  if (to != nobody) {
    pending_.packets.push_back(
      {to, bytes, keys_.own->authenticate(to, bytes.view())});
    return;
  }
  for (auto other : options_.agreement.replicas)
    if (other != options_.agreement.id)
      emit(other, bytes);
}

void core::release_held() {
  std::size_t kept = 0;
  for (auto& one : held_) {
    if (one.after <= durable_write_)
      emit(one.to, one.bytes);
    else
      held_[kept++] = std::move(one);
  }
  held_.resize(kept);
}

write_id core::remember(record what) {
  records_.push_back(std::move(what));
  return last_write_ + 1;
}

void effects::clear() {
  packets.clear();
  write.reset();
  replaced = false;
  executed.clear();
  switched.reset();
}

} // namespace neuroplex::hybrid
