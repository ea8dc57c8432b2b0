// A replica on a simulated machine, with what an actor does for it: it saves,
// talks to its peers, and follows the membership of its group.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "crdt/delta_synchronizer.hpp"
#include "tests/sim/crdt/group.hpp"
#include "tests/sim/crdt/subjects.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/network.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::sim {

inline constexpr nanoseconds gossip_period{20'000'000};
inline constexpr std::size_t gossip_fan_out = 3;

template <class Subject>
class replica_host {
public:
  using state_type = typename Subject::state;
  using sync_type = crdt::delta_synchronizer<state_type>;
  using message_type = typename sync_type::message_type;
  using hosts = std::vector<std::unique_ptr<replica_host>>;

  /// What all replicas of a run share.
  struct surroundings {
    kernel& world;
    network& links;
    crdt_mistakes_made mistakes;
    crdt_ledger<state_type> ledger;
    crdt_group group;
    hosts all;
  };

  replica_host(surroundings& around, const plan& faults, std::uint32_t number)
    : around_{around}, machine_{around.world, faults, number},
      dice_{around.world.stream("client", number)} {
    disk_.id = {number + 1, 0};
    disk_.state = state_type{}.encode();
    machine_.on_start = [this] { start(); };
    machine_.on_stop = [this] { ++life_; };
  }

  /// Clients change nothing here from `when` on.
  void change_until(nanoseconds when) {
    change_until_ = when;
  }

  [[nodiscard]] sim::machine& computer() noexcept {
    return machine_;
  }

  [[nodiscard]] const state_type& state() const noexcept {
    return state_;
  }

  [[nodiscard]] std::size_t buffered() const noexcept {
    return sync_.buffered();
  }

  [[nodiscard]] crdt::replica_id id() const noexcept {
    return disk_.id;
  }

  /// What it would have after a crash.
  [[nodiscard]] state_type saved() const {
    return *state_type::decode(disk_.state);
  }

  /// That its disk knows of.
  [[nodiscard]] std::uint64_t epoch() const noexcept {
    return disk_.group.epoch();
  }

  [[nodiscard]] bool is_member() const noexcept {
    return !left_;
  }

  void join_first(const crdt::membership& group) {
    disk_.group = group;
  }

  /// Stops for good, until it comes back with an empty disk.
  void leave() {
    left_ = true;
    machine_.crash();
  }

  /// Starts under `id` with an empty disk.
  void come_back(crdt::replica_id id) {
    machine_.crash();
    left_ = false;
    disk_ = {id, state_type{}.encode(), 0,
             {}, around_.group.members, around_.group.retired.size()};
    machine_.start();
  }

private:
  /// What outlives a crash. A save is whole or not at all.
  struct disk_content {
    crdt::replica_id id;
    std::string state;
    std::uint64_t recorded = 0;
    crdt::hybrid_timestamp last_stamp;
    crdt::membership group;
    std::size_t forgotten = 0; ///< of `crdt_group::retired`
  };

  /// Clocks may be set by an hour either way, again and again.
  static constexpr std::chrono::hours max_drift{1'000};

  [[nodiscard]] std::chrono::milliseconds wall_now() const {
    return std::chrono::hours{10'000}
           + std::chrono::duration_cast<std::chrono::milliseconds>(
             machine_.wall_now());
  }

  void start() {
    if (left_)
      return;
    auto read = state_type::decode(disk_.state);
    if (!read)
      return around_.world.fail("a saved state cannot be read");
    state_ = *std::move(read);
    clock_ = around_.mistakes.forget_clock
               ? crdt::hybrid_clock{max_drift}
               : crdt::hybrid_clock::restored(disk_.last_stamp, max_drift);
    begin_synchronizing(disk_.recorded);
    turn_in(dice_.between(nanoseconds{0}, gossip_period));
  }

  void begin_synchronizing(std::uint64_t recorded) {
    sync_ = sync_type{recorded, 16};
    for (const auto& peer : disk_.group.members())
      if (peer != disk_.id)
        sync_.add_peer(peer);
  }

  void turn_in(nanoseconds delay) {
    machine_.at_local(machine_.local_now() + delay, [this, life = life_] {
      if (life == life_)
        turn();
    });
  }

  void turn() {
    if (dice_.below(4) == 0 && !enter_epoch())
      return;
    if (around_.world.now() < change_until_ && dice_.below(4) == 0 && !change())
      return;
    auto size = around_.all.size();
    for (std::size_t i = 0; i < gossip_fan_out; ++i) {
      next_peer_ = (next_peer_ + 1) % size;
      const auto& peer = *around_.all[next_peer_];
      if (&peer == this || !peer.is_member())
        continue;
      auto message = sync_.message_for(peer.id());
      // Who left may have told some of its changes to a few only.
      if (!message && epoch() > 1 && dice_.below(8) == 0)
        message = sync_.ask();
      if (message && !send(next_peer_, *std::move(message)))
        return;
    }
    turn_in(gossip_period);
  }

  /// Follows the owner of the group. False when the machine crashed.
  bool enter_epoch() {
    const auto& group = around_.group;
    if (epoch() == group.members.epoch())
      return true;
    auto forgets = disk_.forgotten != group.retired.size();
    for (; disk_.forgotten != group.retired.size(); ++disk_.forgotten) {
      auto rest = forget(state_, group.retired[disk_.forgotten]);
      if (!rest) {
        around_.world.fail("a replica that is stable cannot be forgotten: "
                           + rest.error().message());
        return false;
      }
      state_ = *std::move(rest);
    }
    auto before = std::exchange(disk_.group, group.members).members();
    if (forgets) {
      // Deltas of before may name who is gone.
      begin_synchronizing(sync_.recorded());
    } else {
      for (const auto& peer : before)
        if (!group.members.members().contains(peer))
          sync_.remove_peer(peer);
      for (const auto& peer : group.members.members())
        if (!before.contains(peer) && peer != disk_.id)
          sync_.add_peer(peer);
    }
    // Epoch and state are one save, which this model of a disk cannot tear.
    disk_.state = state_.encode();
    disk_.recorded = sync_.recorded();
    return machine_.survives();
  }

  /// A client changes something.
  bool change() {
    auto stamp = clock_.tick(wall_now());
    if (!stamp) {
      around_.world.fail("the clock is refused: " + stamp.error().message());
      return false;
    }
    auto delta = Subject::change(state_, {disk_.id, *stamp, dice_});
    if (!delta) {
      // Rights that a counter does not have, and nothing else.
      if (delta.code() != errc::busy)
        around_.world.fail("a change is refused: " + delta.error().message());
      return delta.code() == errc::busy;
    }
    sync_.record(*delta);
    if (around_.mistakes.send_before_save) {
      for (std::uint32_t peer = 0; peer < around_.all.size(); ++peer)
        if (auto message = sync_.message_for(around_.all[peer]->id()))
          if (!send(peer, *std::move(message)))
            return false;
    }
    // A change that no disk has may be replaced by another of the same dot.
    if (!write_disk())
      return false;
    auto& ledger = around_.ledger;
    if (!ledger.made.merge(*delta)) {
      around_.world.fail("one dot names two changes");
      return false;
    }
    if (!machine_.survives())
      return false;
    NEUROPLEX_ENSURE(ledger.acknowledged.merge(*delta));
    ++ledger.counts.acknowledged;
    around_.world.note("changed", machine_.number(), sync_.recorded());
    return true;
  }

  /// The clock goes on after all that was merged.
  bool observe_stamps() {
    if constexpr (requires { state_.timestamp(); }) {
      auto seen = clock_.observe({state_.timestamp()}, wall_now());
      if (!seen)
        around_.world.fail("a stamp is refused: " + seen.error().message());
      return bool{seen};
    } else {
      return true;
    }
  }

  bool write_disk() {
    if (!machine_.survives())
      return false;
    disk_.state = state_.encode();
    disk_.recorded = sync_.recorded();
    disk_.last_stamp = clock_.last();
    return true;
  }

  bool save() {
    return write_disk() && machine_.survives();
  }

  bool send(std::uint32_t to, message_type message) {
    if (!machine_.survives())
      return false;
    auto& counts = around_.ledger.counts;
    ++(message.delta ? counts.deltas : counts.digests);
    std::string delta;
    if (message.delta)
      delta = message.delta->encode();
    message.delta.reset();
    around_.links.send(
      machine_.number(), to,
      [&around = around_, to, from = machine_.number(), id = disk_.id,
       epoch = epoch(), delta = std::move(delta),
       message = std::move(message)] {
        around.all[to]->receive(from, id, epoch, delta, message);
      });
    return true;
  }

  void receive(std::uint32_t from, crdt::replica_id sender, std::uint64_t epoch,
               const std::string& delta, message_type message) {
    if (left_)
      return;
    if (!delta.empty()) {
      auto decoded = state_type::delta_type::decode(delta);
      if (!decoded)
        return around_.world.fail("a delta cannot be read: "
                                  + decoded.error().message());
      message.delta = *std::move(decoded);
    }
    auto& mistakes = around_.mistakes;
    if (!mistakes.ignore_epoch && !disk_.group.check(sender, epoch)) {
      ++around_.ledger.counts.refused;
      return;
    }
    auto answer = sync_.receive(sender, message, state_);
    if (!answer) {
      if (!mistakes.ignore_epoch)
        around_.world.fail("a message of replica " + to_string(sender)
                           + " is refused: " + answer.error().message());
      return;
    }
    if (!observe_stamps())
      return;
    // Whoever says that it has something must have it after a crash too.
    if (message.kind == crdt::sync_kind::deltas
        && !mistakes.acknowledge_before_save && !save())
      return;
    if (*answer)
      send(from, std::move(**answer));
  }

  surroundings& around_;
  sim::machine machine_;
  dice dice_;
  disk_content disk_;
  state_type state_;
  sync_type sync_;
  crdt::hybrid_clock clock_{max_drift};
  bool left_ = false;
  std::uint32_t next_peer_ = 0;
  std::uint64_t life_ = 0;
  nanoseconds change_until_{0};
};

} // namespace neuroplex::sim
