#include "tests/sim/crdt/replica_host.hpp"

#include <utility>

namespace neuroplex::sim {

namespace {

constexpr std::size_t gossip_fan_out = 3;

} // namespace

replica_host::replica_host(surroundings& around, const plan& faults,
                           std::uint32_t number)
  : replica_machine{around.world, faults, number}, around_{around},
    value_{around.subject.make_value()} {
  disk_.id = {number + 1, 0};
  disk_.state = empty_state();
}

void replica_host::leave() {
  left_ = true;
  machine_.crash();
}

void replica_host::come_back(crdt::replica_id id) {
  machine_.crash();
  left_ = false;
  disk_ = {id, empty_state(),         0,
           {}, around_.group.members, around_.group.retired.size()};
  machine_.start();
}

std::string replica_host::empty_state() const {
  return around_.subject.make_value()->encode();
}

std::chrono::milliseconds replica_host::wall_now() const {
  return std::chrono::hours{10'000}
         + std::chrono::duration_cast<std::chrono::milliseconds>(
           machine_.wall_now());
}

void replica_host::start() {
  if (left_)
    return;
  if (!value_->restore(disk_.state))
    return world_.fail("a saved state cannot be read");
  clock_ = around_.mistakes.forget_clock
             ? crdt::hybrid_clock{max_drift}
             : crdt::hybrid_clock::restored(disk_.last_stamp, max_drift);
  begin_synchronizing(disk_.recorded);
  turn_in(dice_.between(nanoseconds{0}, turn_period));
}

void replica_host::begin_synchronizing(std::uint64_t recorded) {
  value_->begin_synchronizing(recorded);
  for (const auto& peer : disk_.group.members())
    if (peer != disk_.id)
      value_->add_peer(peer);
}

void replica_host::turn() {
  if (dice_.below(4) == 0 && !enter_epoch())
    return;
  if (is_changed_now() && !change())
    return;
  auto size = around_.all.size();
  for (std::size_t i = 0; i < gossip_fan_out; ++i) {
    next_peer_ = static_cast<std::uint32_t>((next_peer_ + 1) % size);
    const auto& peer = *around_.all[next_peer_];
    if (&peer == this || !peer.is_member())
      continue;
    auto packet = value_->message_for(peer.id());
    // Who left may have told some of its changes to a few only.
    if (!packet && epoch() > 1 && dice_.below(8) == 0)
      packet = value_->ask();
    if (packet && !send(next_peer_, *std::move(packet)))
      return;
  }
  turn_in(turn_period);
}

bool replica_host::enter_epoch() {
  const auto& group = around_.group;
  if (epoch() == group.members.epoch())
    return true;
  auto forgets = disk_.forgotten != group.retired.size();
  for (; disk_.forgotten != group.retired.size(); ++disk_.forgotten) {
    auto done = value_->forget(group.retired[disk_.forgotten]);
    if (!done) {
      world_.fail("a replica that is stable cannot be forgotten: "
                  + done.error().message());
      return false;
    }
  }
  auto before = std::exchange(disk_.group, group.members).members();
  if (forgets) {
    // Deltas of before may name who is gone.
    begin_synchronizing(value_->recorded());
  } else {
    for (const auto& peer : before)
      if (!group.members.members().contains(peer))
        value_->remove_peer(peer);
    for (const auto& peer : group.members.members())
      if (!before.contains(peer) && peer != disk_.id)
        value_->add_peer(peer);
  }
  // Epoch and state are one save, which this model of a disk cannot tear.
  disk_.state = value_->encode();
  disk_.recorded = value_->recorded();
  return machine_.survives();
}

bool replica_host::change() {
  auto stamp = clock_.tick(wall_now());
  if (!stamp) {
    world_.fail("the clock is refused: " + stamp.error().message());
    return false;
  }
  auto delta = value_->change({disk_.id, *stamp, dice_});
  if (!delta) {
    // Rights that a counter does not have, and nothing else.
    if (delta.code() != errc::busy)
      world_.fail("a change is refused: " + delta.error().message());
    return delta.code() == errc::busy;
  }
  if (around_.mistakes.send_before_save) {
    for (std::uint32_t peer = 0; peer < around_.all.size(); ++peer)
      if (auto packet = value_->message_for(around_.all[peer]->id()))
        if (!send(peer, *std::move(packet)))
          return false;
  }
  // A change that no disk has may be replaced by another of the same dot.
  if (!write_disk())
    return false;
  if (!around_.ledger->make(*delta)) {
    world_.fail("one dot names two changes");
    return false;
  }
  if (!machine_.survives())
    return false;
  around_.ledger->acknowledge(*delta);
  ++around_.counts.acknowledged;
  world_.note("changed", machine_.number(), value_->recorded());
  return true;
}

bool replica_host::observe_stamps() {
  auto latest = value_->timestamp();
  if (!latest)
    return true;
  auto seen = clock_.observe(*latest, wall_now());
  if (!seen)
    world_.fail("a stamp is refused: " + seen.error().message());
  return bool{seen};
}

bool replica_host::write_disk() {
  if (!machine_.survives())
    return false;
  disk_.state = value_->encode();
  disk_.recorded = value_->recorded();
  disk_.last_stamp = clock_.last();
  return true;
}

bool replica_host::save() {
  return write_disk() && machine_.survives();
}

bool replica_host::send(std::uint32_t to, crdt_packet packet) {
  if (!machine_.survives())
    return false;
  ++(packet.delta ? around_.counts.deltas : around_.counts.digests);
  around_.links.send(machine_.number(), to,
                     [&around = around_, to, from = machine_.number(),
                      id = disk_.id, epoch = epoch(),
                      packet = std::move(packet)] {
                       around.all[to]->receive(from, id, epoch, packet);
                     });
  return true;
}

void replica_host::receive(std::uint32_t from, crdt::replica_id sender,
                           std::uint64_t epoch, const crdt_packet& packet) {
  if (left_)
    return;
  const auto& mistakes = around_.mistakes;
  if (!mistakes.ignore_epoch && !disk_.group.check(sender, epoch)) {
    ++around_.counts.refused;
    return;
  }
  auto answer = value_->receive(sender, packet);
  if (!answer) {
    if (!mistakes.ignore_epoch)
      world_.fail("a message of replica " + to_string(sender)
                  + " is refused: " + answer.error().message());
    return;
  }
  if (!observe_stamps())
    return;
  // Whoever says that it has something must have it after a crash too.
  if (packet.kind == crdt::sync_kind::deltas
      && !mistakes.acknowledge_before_save && !save())
    return;
  // A machine that crashes in sending has nothing left to do here.
  if (*answer)
    static_cast<void>(send(from, std::move(**answer)));
}

} // namespace neuroplex::sim
