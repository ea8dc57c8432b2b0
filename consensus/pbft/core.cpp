#include "consensus/pbft/core.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

failure corrupt_state(const char* what) {
  return {errc::corrupt, std::string{"pbft: the durable state "} + what};
}

expected<void> check_state(const durable_state& state) {
  if (state.stable.sequence > 0 && state.checkpoints.empty())
    return corrupt_state("knows of a stable checkpoint and has none");
  for (const auto& [sequence, pieces] : state.checkpoints)
    if (pieces.empty() || !client_table::load(pieces.front()))
      return corrupt_state("has a checkpoint without a table of clients");
  for (const auto& [sequence, slot] : state.slots)
    for (const auto& one : slot.pre_prepared)
      if (one.view > state.view.view)
        return corrupt_state("has a batch of a view that it never entered");
  return {};
}

} // namespace

expected<core> core::create(const options& settings,
                            std::shared_ptr<const crypto> with,
                            durable_state state, time now) {
  if (auto valid = settings.validate(); !valid)
    return valid.error();
  if (auto valid = check_state(state); !valid)
    return valid.error();
  for (const auto& [sequence, slot] : state.slots)
    for (const auto& [of, bytes] : slot.batches)
      if (!decode_batch(bytes))
        return corrupt_state("has a batch that cannot be read");
  return core{settings, std::move(with), std::move(state), now};
}

core::core(const options& settings, std::shared_ptr<const crypto> with,
           durable_state state, time now)
  : options_{settings}, crypto_{std::move(with)},
    self_{*settings.index_of(settings.id)}, now_{now}, view_{state.view.view},
    active_{state.view.active}, new_view_bytes_{state.view.new_view},
    progress_at_{now}, timeout_{settings.request_timeout},
    stable_{std::move(state.stable)}, resend_deadline_{now} {
  null_request_ = digest_of(*crypto_, {});
  for (auto& [sequence, pieces] : state.checkpoints)
    keep_checkpoint(sequence, std::move(pieces));
  for (auto& [sequence, kept] : state.slots) {
    auto& one = slot_at(sequence);
    one.pre_prepared = kept.pre_prepared;
    one.last_prepared = kept.prepared;
    for (const auto& [of, bytes] : kept.batches)
      one.batches[of] = *decode_batch(bytes);
    for (const auto& claimed : kept.pre_prepared)
      if (claimed.view == view_ && active_)
        one.accepted = claimed.of;
    next_sequence_ = std::max(next_sequence_, sequence + 1);
  }
  next_sequence_ = std::max(next_sequence_, stable_.sequence + 1);
  read_floor_ = state.executed;
  // What was promised before the crash is promised still.
  for (auto& [sequence, one] : slots_) {
    if (!one.accepted)
      continue;
    one.prepares[self_] = one.accepted;
    one.prepares[place_of(options_.primary_of(view_))] = one.accepted;
    one.prepared = one.last_prepared && one.last_prepared->view == view_;
    if (one.prepared)
      one.commits[self_] = one.accepted;
  }
  if (!checkpoints_.empty())
    install_checkpoint(checkpoints_.rbegin()->first);
  told_view_ = {view_, active_, options_.primary_of(view_)};
  if (active_)
    choose_again();
  else
    view_changes_[options_.id] = own_view_change();
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
    forget_gone_arrivals();
    propose();
    if (!records_.empty())
      pending_.write = disk_write{++last_write_, std::exchange(records_, {})};
    auto view = view_notice{view_, active_, options_.primary_of(view_)};
    if (!(view == told_view_)) {
      told_view_ = view;
      pending_.view = view;
    }
  }
  std::swap(out, pending_);
}

time core::next_deadline() const noexcept {
  if (stopped_)
    return time::max();
  auto next = *resend_deadline_;
  if (!active_)
    return view_deadline_ ? std::min(next, *view_deadline_) : next;
  return std::min(next, request_deadline());
}

status core::state() const {
  status all;
  all.id = options_.id;
  all.view = view_;
  all.active = active_;
  all.primary = options_.primary_of(view_);
  all.stable = stable_.sequence;
  all.executed = executed_;
  all.handed_out = handed_out_;
  all.waiting_requests = waiting_.size();
  all.slots = slots_.size();
  all.transferring = transfer_.has_value();
  all.stopped = stopped_;
  all.view_changes = view_change_count_;
  all.transfers = transfer_count_;
  all.misdeeds = book_.total();
  return all;
}

void core::on(const tick& /*what*/) {
  if (now_ >= *resend_deadline_) {
    resend();
    resend_deadline_ = now_ + options_.resend_interval;
  }
  forget_gone_arrivals();
  auto due = active_ ? request_deadline() <= now_
                     : view_deadline_ && *view_deadline_ <= now_;
  if (due)
    start_view_change(view_ + 1);
}

void core::on(const received& what) {
  const auto& bytes = what.what.bytes;
  auto from = claimed_sender(bytes.view());
  if (from == nobody || from == options_.id)
    return;
  if (!crypto_->is_authentic(from, bytes.view(), what.what.tag)) {
    accuse(from, misdeed::bad_mac);
    return;
  }
  auto read = decode_message(bytes);
  if (!read) {
    accuse(from, misdeed::malformed, 0, 0, false, bytes);
    return;
  }
  if (read->group != options_.group)
    return;
  if (!options_.index_of(from)
      && !std::holds_alternative<request_message>(read->body)) {
    accuse(from, misdeed::malformed, 0, 0, false, bytes);
    return;
  }
  std::visit([this, from](const auto& body) { receive(from, body); },
             read->body);
}

void core::receive(node_id from, const reply& /*body*/) {
  accuse(from, misdeed::malformed);
}

void core::on(const persisted& what) {
  if (what.write <= durable_write_ || what.write > last_write_)
    return;
  durable_write_ = what.write;
  release_held();
  while (!own_votes_.empty() && durable(own_votes_.front().after)) {
    auto one = own_votes_.front();
    own_votes_.pop_front();
    count_own(one);
  }
  count_own_checkpoints();
}

void core::on(const persist_failed& /*what*/) {
  // What the disk holds is unknown. Nothing leaves any more, and nothing that
  // waited for the disk ever will.
  stopped_ = true;
  held_.clear();
  own_votes_.clear();
  records_.clear();
  pending_.clear();
}

void core::count_own(own_vote what) {
  if (what.view != view_ || !active_)
    return;
  if (what.commit)
    count_commit(what.sequence, self_, what.of);
  else
    count_prepare(what.sequence, self_, what.of);
}

slice core::encode(message_body body) const {
  return encode_message({options_.group, options_.id, std::move(body)});
}

void core::broadcast(const message_body& body, write_id after) {
  send_bytes(nobody, encode(body), after);
}

void core::send(node_id to, const message_body& body, write_id after) {
  send_bytes(to, encode(body), after);
}

void core::send_bytes(node_id to, const slice& bytes, write_id after) {
  if (durable(after))
    emit(to, bytes);
  else if (held_.size() < limits::max_held_packets) // else as if it were lost
    held_.push_back({after, to, bytes});
}

void core::emit(node_id to, const slice& bytes) {
  if (to != nobody) {
    pending_.packets.push_back(
      {to, bytes, crypto_->authenticate(to, bytes.view())});
    return;
  }
  for (auto other : options_.replicas)
    if (other != options_.id)
      emit(other, bytes);
}

void core::release_held() {
  std::size_t kept = 0;
  for (auto& one : held_) {
    if (durable(one.after))
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

void core::accuse(node_id who, misdeed what, view_number view,
                  sequence_number sequence, bool provable, slice first,
                  slice second) {
  // Strangers could fill the book with names.
  if (!options_.index_of(who) && clients_.find(who) == nullptr)
    who = nobody;
  book_.add(
    {what, who, view, sequence, provable, std::move(first), std::move(second)});
}

std::size_t core::place_of(node_id replica) const {
  auto place = options_.index_of(replica);
  NEUROPLEX_ENSURE(place.has_value());
  return *place;
}

// Says where we are, and again what may have been lost and nobody asks for.
void core::resend() {
  broadcast(status_message{view_, active_, stable_.sequence, executed_},
            view_after_);
  if (!active_) {
    auto own = view_changes_.find(options_.id);
    if (own != view_changes_.end())
      broadcast(own->second, view_after_);
  }
  count_own_checkpoints();
  for (const auto& [sequence, one] : checkpoints_)
    if (sequence > stable_.sequence)
      send_checkpoint(sequence);
  for (const auto& [sequence, of] : wanted_)
    broadcast(batch_wanted{sequence, of}, 0);
  auto fetching = transfer_ && transfer_->moved;
  if (transfer_)
    ask_for_state();
  // One that goes on by itself needs none, unless it goes another way.
  auto stuck = std::exchange(executed_before_, executed_) == executed_;
  if (ahead_ && !fetching && (stuck || checkpoints_.contains(ahead_->sequence))
      && now_ - ahead_since_ >= options_.resend_interval)
    begin_transfer();
}

void core::receive(node_id from, const status_message& body) {
  auto behind = body.view < view_ || (body.view == view_ && !body.active);
  if (behind && active_ && !new_view_bytes_.empty())
    send_bytes(from, new_view_bytes_, view_after_);
  if (behind && !active_) {
    auto own = view_changes_.find(options_.id);
    if (own != view_changes_.end())
      send(from, own->second, view_after_);
  }
  if (body.stable < stable_.sequence)
    send(from, stable_, 0);
  // One that goes on by itself needs no help.
  auto& before = told_executed_[from];
  auto stuck = std::exchange(before, body.executed) == body.executed;
  if (!stuck)
    return;
  for (std::size_t i = 1; i <= limits::max_resent; ++i) {
    if (body.executed >= UINT64_MAX - i)
      return;
    auto sequence = body.executed + i;
    auto* one = find_slot(sequence);
    if (one == nullptr)
      continue;
    if (one->committed && find_batch(*one, *one->committed))
      send(
        from,
        committed{sequence, *one->committed, find_batch(*one, *one->committed)},
        0);
    if (body.view == view_ && body.active && active_)
      send_votes_again(from, sequence);
  }
}

void effects::clear() {
  packets.clear();
  write.reset();
  install.reset();
  executions.clear();
  reads.clear();
  view.reset();
}

bool effects::empty() const noexcept {
  return packets.empty() && !write && !install && executions.empty()
         && reads.empty() && !view;
}

std::string_view misdeed_name(misdeed what) noexcept {
  switch (what) {
    case misdeed::bad_mac:
      return "bad_mac";
    case misdeed::malformed:
      return "malformed";
    case misdeed::wrong_digest:
      return "wrong_digest";
    case misdeed::unauthentic_request:
      return "unauthentic_request";
    case misdeed::conflicting_pre_prepare:
      return "conflicting_pre_prepare";
    case misdeed::conflicting_vote:
      return "conflicting_vote";
    case misdeed::conflicting_checkpoint:
      return "conflicting_checkpoint";
    case misdeed::divergent_state:
      return "divergent_state";
    case misdeed::bad_signature:
      return "bad_signature";
    case misdeed::bad_view_change:
      return "bad_view_change";
    case misdeed::bad_new_view:
      return "bad_new_view";
    case misdeed::bad_piece:
      return "bad_piece";
  }
  return "unknown";
}

} // namespace neuroplex::pbft
