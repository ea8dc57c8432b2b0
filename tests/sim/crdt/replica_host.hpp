// A replica on a simulated machine, with what an actor does for it: it saves,
// talks to its peers, and follows the membership of its group.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "tests/sim/crdt/replica_world.hpp"
#include "tests/sim/crdt/value.hpp"

#include <memory>
#include <string>
#include <vector>

namespace neuroplex::sim {

class replica_host final : public replica_machine {
public:
  /// What all replicas of a run share.
  struct surroundings {
    kernel& world;
    network& links;
    const crdt_subject& subject;
    crdt_mistakes_made mistakes;
    std::unique_ptr<crdt_ledger> ledger;
    crdt_counts counts;
    crdt_group group;
    std::vector<std::unique_ptr<replica_host>> all;
  };

  replica_host(surroundings& around, const plan& faults, std::uint32_t number);

  [[nodiscard]] const crdt_value& value() const noexcept {
    return *value_;
  }

  [[nodiscard]] crdt::replica_id id() const noexcept {
    return disk_.id;
  }

  /// What it would have after a crash.
  [[nodiscard]] const std::string& saved() const noexcept {
    return disk_.state;
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
  void leave();

  /// Starts under `id` with an empty disk.
  void come_back(crdt::replica_id id);

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

  void start() override;
  void turn() override;
  [[nodiscard]] std::chrono::milliseconds wall_now() const;
  [[nodiscard]] std::string empty_state() const;
  void begin_synchronizing(std::uint64_t recorded);

  /// Each of the following answers false when the machine crashed in it, or the
  /// run has failed.
  /// Follows the owner of the group.
  [[nodiscard]] bool enter_epoch();

  /// A client changes something.
  [[nodiscard]] bool change();

  /// The clock goes on after all that was merged.
  [[nodiscard]] bool observe_stamps();
  [[nodiscard]] bool write_disk();
  [[nodiscard]] bool save();
  [[nodiscard]] bool send(std::uint32_t to, crdt_packet packet);

  void receive(std::uint32_t from, crdt::replica_id sender, std::uint64_t epoch,
               const crdt_packet& packet);

  surroundings& around_;
  disk_content disk_;
  std::unique_ptr<crdt_value> value_;
  crdt::hybrid_clock clock_{max_drift};
  bool left_ = false;
  std::uint32_t next_peer_ = 0;
};

} // namespace neuroplex::sim
