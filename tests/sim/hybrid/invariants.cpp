#include "tests/sim/hybrid/invariants.hpp"

#include <string>
#include <xxhash.h>

namespace neuroplex::sim {

void hybrid_invariants::saw_wish(hybrid::node_id client,
                                 std::string_view operation) {
  wishes_.emplace(client, XXH3_64bits(operation.data(), operation.size()));
}

void hybrid_invariants::saw_start(hybrid::node_id replica) {
  lives_[replica] = {};
}

void hybrid_invariants::saw_execution(hybrid::node_id replica,
                                      const hybrid::execution& what) {
  // What runs on the word of a liar may be anything, until it is settled.
  if (!what.settled && lies(what.where.leader)) {
    return;
  }
  const auto hash = XXH3_64bits(what.what.view().data(), what.what.size());
  if (!wishes_.contains({what.client, hash})) {
    world_.fail("validity: " + replica_text(replica) + " executes what client "
                + std::to_string(what.client) + " never asked for");
    return;
  }
  if (what.settled) {
    auto& own = lives_[replica];
    if (!own.replaced && what.position != own.settled + 1) {
      world_.fail("no gaps: " + replica_text(replica) + " settles position "
                  + std::to_string(what.position) + " after "
                  + std::to_string(own.settled));
      return;
    }
    own.replaced = false;
    own.settled = what.position;
  }
  const placed now{what.where, what.client, what.number, hash};
  const auto [known, fresh] = positions_.try_emplace(what.position, now);
  if (!(known->second == now)) {
    world_.fail("agreement: " + replica_text(replica) + " executes at position "
                + std::to_string(what.position) + ", in epoch "
                + std::to_string(what.where.epoch)
                + ", something else than others in epoch "
                + std::to_string(known->second.where.epoch));
    return;
  }
  const auto [place, first] =
    numbers_.try_emplace({what.client, what.number}, what.position);
  if (place->second != what.position) {
    world_.fail("once: command " + std::to_string(what.number) + " of client "
                + std::to_string(what.client) + " is executed at position "
                + std::to_string(place->second) + " and at "
                + std::to_string(what.position));
    return;
  }
  if (fresh) {
    ++settled_by_[static_cast<std::size_t>(what.where.how)];
  }
}

void hybrid_invariants::saw_switch(hybrid::node_id replica,
                                   const hybrid::epoch_info& to) {
  auto& own = lives_[replica];
  if (to.epoch < own.where.epoch) {
    world_.fail("epochs only grow: " + replica_text(replica)
                + " went from epoch " + std::to_string(own.where.epoch)
                + " back to " + std::to_string(to.epoch));
    return;
  }
  own.where = to;
  const auto [known, fresh] = epochs_.try_emplace(to.epoch, to);
  if (!(known->second == to)) {
    world_.fail("agreement: " + replica_text(replica) + " begins epoch "
                + std::to_string(to.epoch) + " otherwise than others");
  }
}

void hybrid_invariants::saw_suspicion(const hybrid::status& now) {
  if (now.suspects) {
    suspected_.insert(now.where.epoch);
  }
}

void hybrid_invariants::saw_status(hybrid::node_id replica,
                                   const hybrid::status& now) {
  auto& own = lives_[replica];
  if (now.stopped_epoch && !suspected_.contains(now.where.epoch)) {
    world_.fail("none alone: " + replica_text(replica) + " left epoch "
                + std::to_string(now.where.epoch)
                + ", in which no correct replica suspected anything");
  }
  if (now.where.how == hybrid::mode::raft && !now.stopped && !now.stopped_epoch
      && stopped_.contains({replica, now.where.epoch})) {
    world_.fail("words are kept: " + replica_text(replica)
                + " goes on in epoch " + std::to_string(now.where.epoch)
                + ", in which it had told that it stopped");
  }
  if (now.rolled_back > own.rolled_back) {
    const auto before = epochs_.find(now.where.epoch - 1);
    if (before == epochs_.end() || !lies(before->second.leader)) {
      world_.fail("nothing taken back: " + replica_text(replica)
                  + " took back what ran before epoch "
                  + std::to_string(now.where.epoch)
                  + ", whose leader did not lie");
    }
    own.rolled_back = now.rolled_back;
  }
}

} // namespace neuroplex::sim
