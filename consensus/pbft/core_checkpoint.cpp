// Checkpoints, their proofs, and the fetching of a state that others have.
#include "consensus/pbft/core.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

/// Votes further above the last stable checkpoint are not kept, in windows: a
/// replica that is so far behind is sent the proof.
constexpr std::size_t vote_windows = 4;

} // namespace

void core::take_checkpoint(sequence_number sequence,
                           std::vector<slice> pieces) {
  pieces.insert(pieces.begin(), clients_.save());
  keep_checkpoint(sequence, pieces);
  checkpoints_[sequence].after =
    remember(checkpoint_record{sequence, std::move(pieces)});
  send_checkpoint(sequence);
}

void core::keep_checkpoint(sequence_number sequence,
                           std::vector<slice> pieces) {
  own_checkpoint own;
  own.digests.reserve(pieces.size());
  for (const auto& one : pieces)
    own.digests.push_back(crypto_->hash(one.view()));
  own.root = root_of(*crypto_, own.digests);
  own.pieces = std::move(pieces);
  checkpoints_[sequence] = std::move(own);
}

void core::send_checkpoint(sequence_number sequence) {
  const auto& own = checkpoints_[sequence];
  auto by =
    crypto_->sign(checkpoint_statement(options_.group, sequence, own.root));
  broadcast(checkpoint{sequence, own.root, by}, own.after);
}

void core::count_own_checkpoints() {
  std::vector<checkpoint> mine;
  for (auto& [sequence, own] : checkpoints_) {
    if (own.counted || !durable(own.after))
      continue;
    own.counted = true;
    mine.push_back({sequence, own.root,
                    crypto_->sign(checkpoint_statement(options_.group, sequence,
                                                       own.root))});
  }
  for (const auto& one : mine)
    receive(options_.id, one);
  if (ahead_)
    learn_stable(stable_proof{*ahead_});
}

void core::receive(node_id from, const checkpoint& body) {
  auto top = stable_.sequence + vote_windows * options_.window;
  if (body.sequence <= stable_.sequence || body.sequence > top
      || body.sequence % options_.checkpoint_interval != 0)
    return;
  auto& known = checkpoint_votes_[body.sequence];
  auto before = known.find(from);
  if (before != known.end() && before->second.root == body.root)
    return;
  auto statement =
    checkpoint_statement(options_.group, body.sequence, body.root);
  if (!crypto_->is_signed(from, statement, body.by)) {
    accuse(from, misdeed::bad_signature, 0, body.sequence);
    return;
  }
  if (before != known.end()) {
    accuse(from, misdeed::conflicting_checkpoint, 0, body.sequence, true,
           encode(before->second), encode(body));
    return;
  }
  known[from] = body;
  stable_proof proof{body.sequence, body.root, {}};
  for (const auto& [replica, one] : known)
    if (one.root == body.root)
      proof.votes.push_back({replica, one.by});
  if (proof.votes.size() >= options_.quorum())
    learn_stable(proof);
}

bool core::is_valid(const stable_proof& what) const {
  if (what.sequence == 0)
    return true;
  auto statement =
    checkpoint_statement(options_.group, what.sequence, what.root);
  std::set<node_id> signers;
  for (const auto& one : what.votes)
    if (options_.index_of(one.replica) && !signers.contains(one.replica)
        && crypto_->is_signed(one.replica, statement, one.by))
      signers.insert(one.replica);
  return signers.size() >= options_.quorum();
}

void core::receive(node_id from, const stable_proof& body) {
  if (body.sequence <= stable_.sequence
      || (ahead_ && body.sequence <= ahead_->sequence))
    return;
  if (is_valid(body))
    learn_stable(body);
  else
    accuse(from, misdeed::bad_signature, 0, body.sequence);
}

// `what` is proven. It is adopted when our own state is the same and durable.
void core::learn_stable(const stable_proof& what) {
  if (what.sequence <= stable_.sequence)
    return;
  auto own = checkpoints_.find(what.sequence);
  auto same = own != checkpoints_.end() && own->second.root == what.root;
  if (same && durable(own->second.after)) {
    adopt_stable(what);
    return;
  }
  // The others may make checkpoints faster than we would begin to fetch one.
  if (!ahead_)
    ahead_since_ = now_;
  if (!ahead_ || ahead_->sequence < what.sequence)
    ahead_ = what;
}

void core::adopt_stable(const stable_proof& what) {
  stable_ = what;
  remember(stable_record{stable_});
  auto votes = checkpoint_votes_.find(stable_.sequence);
  if (votes != checkpoint_votes_.end())
    for (const auto& [replica, one] : votes->second)
      if (one.root != stable_.root)
        accuse(replica, misdeed::divergent_state, 0, stable_.sequence, true,
               encode(one), encode(stable_));
  slots_.erase(slots_.begin(), slots_.upper_bound(stable_.sequence));
  checkpoint_votes_.erase(checkpoint_votes_.begin(),
                          checkpoint_votes_.upper_bound(stable_.sequence));
  checkpoints_.erase(checkpoints_.begin(),
                     checkpoints_.lower_bound(stable_.sequence));
  std::erase_if(
    wanted_, [this](const auto& one) { return one.first <= stable_.sequence; });
  next_sequence_ = std::max(next_sequence_, stable_.sequence + 1);
  if (ahead_ && ahead_->sequence <= stable_.sequence)
    ahead_.reset();
  if (transfer_ && transfer_->proof.sequence <= stable_.sequence)
    transfer_.reset();
}

// Nobody sends batches below a stable checkpoint any more, so that a replica
// which is behind one, or has another state there, must fetch it.
void core::begin_transfer() {
  if (installing_ || (transfer_ && transfer_->proof == *ahead_))
    return;
  auto own = checkpoints_.find(ahead_->sequence);
  if (own != checkpoints_.end() && own->second.root == ahead_->root)
    return; // waits for the disk
  if (own != checkpoints_.end())
    accuse(options_.id, misdeed::divergent_state, 0, ahead_->sequence);
  state_transfer fresh;
  fresh.proof = *ahead_;
  fresh.source = self_;
  if (transfer_) {
    // The others no longer have what we aimed at. Most of it is in the new one,
    // so that we come nearer each time, however fast they go on.
    fresh.source = transfer_->source;
    fresh.next = transfer_->next;
    fresh.known = std::move(transfer_->known);
    for (std::size_t i = 0; i < transfer_->pieces.size(); ++i)
      if (transfer_->pieces[i])
        fresh.known.emplace(transfer_->digests[i],
                            *std::move(transfer_->pieces[i]));
  }
  transfer_ = std::move(fresh);
  ask_for_state();
}

// Asks the same replica on while it answers, else the next.
void core::ask_for_state() {
  auto& all = *transfer_;
  if (!std::exchange(all.moved, false)) {
    do
      all.source = (all.source + 1) % options_.replicas.size();
    while (all.source == self_);
  }
  auto source = options_.replicas[all.source];
  if (!all.has_manifest)
    send(source, manifest_wanted{all.proof.sequence}, 0);
  else
    send(source,
         piece_wanted{all.proof.sequence, static_cast<std::uint32_t>(all.next)},
         0);
}

// Asks for the next piece that we lack, or is done.
void core::go_on_with_transfer() {
  auto& all = *transfer_;
  auto lacking = [&] {
    for (std::size_t i = 0; i < all.pieces.size(); ++i)
      if (auto place = (all.next + i) % all.pieces.size(); !all.pieces[place])
        return place;
    return all.pieces.size();
  };
  all.next = lacking();
  if (all.next == all.pieces.size())
    return finish_transfer();
  all.moved = true;
  ask_for_state();
  all.moved = true;
}

void core::receive(node_id from, const manifest_wanted& body) {
  auto own = checkpoints_.find(body.sequence);
  if (own != checkpoints_.end() && durable(own->second.after))
    send(from, manifest{body.sequence, own->second.digests}, 0);
  else if (stable_.sequence > body.sequence)
    send(from, stable_, 0);
}

void core::receive(node_id from, const manifest& body) {
  if (!transfer_ || transfer_->has_manifest
      || body.sequence != transfer_->proof.sequence)
    return;
  if (root_of(*crypto_, body.pieces) != transfer_->proof.root) {
    accuse(from, misdeed::bad_piece, 0, body.sequence);
    return;
  }
  auto& all = *transfer_;
  all.digests = body.pieces;
  all.has_manifest = true;
  all.pieces.resize(all.digests.size());
  for (const auto& [sequence, own] : checkpoints_)
    for (std::size_t i = 0; i < own.pieces.size(); ++i)
      all.known.emplace(own.digests[i], own.pieces[i]);
  for (std::size_t i = 0; i < all.digests.size(); ++i)
    if (auto found = all.known.find(all.digests[i]); found != all.known.end())
      all.pieces[i] = found->second;
  all.known.clear();
  go_on_with_transfer();
}

void core::receive(node_id from, const piece_wanted& body) {
  auto own = checkpoints_.find(body.sequence);
  if (own != checkpoints_.end() && body.index < own->second.pieces.size())
    send(from, piece{body.sequence, body.index, own->second.pieces[body.index]},
         0);
  else if (stable_.sequence > body.sequence)
    send(from, stable_, 0);
}

void core::receive(node_id from, const piece& body) {
  if (!transfer_ || !transfer_->has_manifest || installing_
      || body.sequence != transfer_->proof.sequence
      || body.index != transfer_->next)
    return;
  if (crypto_->hash(body.data.view()) != transfer_->digests[body.index]) {
    accuse(from, misdeed::bad_piece, 0, body.sequence);
    return;
  }
  transfer_->pieces[body.index] = body.data;
  go_on_with_transfer();
}

void core::finish_transfer() {
  auto done = std::move(*transfer_);
  transfer_.reset();
  ++transfer_count_;
  std::vector<slice> pieces;
  pieces.reserve(done.pieces.size());
  for (auto& one : done.pieces)
    pieces.push_back(*std::move(one));
  // If ours was another, so is all that was built on it.
  checkpoints_.erase(checkpoints_.lower_bound(done.proof.sequence),
                     checkpoints_.end());
  keep_checkpoint(done.proof.sequence, pieces);
  checkpoints_[done.proof.sequence].after =
    remember(checkpoint_record{done.proof.sequence, std::move(pieces)});
  // State and proof are one write.
  adopt_stable(done.proof);
  install_checkpoint(done.proof.sequence);
}

void core::install_checkpoint(sequence_number sequence) {
  const auto& own = checkpoints_[sequence];
  auto table = client_table::load(own.pieces.front());
  // A quorum signed it, or we made it: correct replicas write no other.
  NEUROPLEX_ENSURE(table.has_value());
  clients_ = *std::move(table);
  ordered_.clear();
  for (const auto& [client, one] : clients_.entries()) {
    ordered_[client] = one.last;
    forget_waiting(client, one.last);
  }
  handed_out_ = executed_ = sequence;
  executing_.clear();
  executed_after_ = std::max(executed_after_, own.after);
  reading_.clear();
  pending_.executions.clear();
  pending_.reads.clear();
  pending_.install =
    pbft::install{sequence, {own.pieces.begin() + 1, own.pieces.end()}};
  installing_ = sequence;
}

void core::on(const installed& what) {
  if (installing_ != what.sequence)
    return;
  installing_.reset();
  progress_at_ = now_;
  hand_out();
}

} // namespace neuroplex::pbft
