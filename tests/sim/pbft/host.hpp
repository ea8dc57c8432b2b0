// One correct replica of a simulated PBFT group: core, log, state machine.
//
// Purpose: does for a core what an actor does in production, on a simulated
// machine: carries out effects, crashes between any two of them, starts again
// from its disk. It decides nothing that the core should decide.
//
// Threads: none; belongs to the kernel.
//
// Invariants: all that is lost in a crash is in `life`, which ends with it.
//
// Failure: what a correct replica can never do fails the run
// (`pbft_invariants`).
#pragma once

#include "consensus/pbft/core.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/pbft/invariants.hpp"
#include "tests/sim/pbft/log.hpp"
#include "tests/sim/raft/register_map.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace neuroplex::sim {

/// Takes a packet to whoever it is for. A liar has two faces, and each says
/// which one it speaks with.
using carrier =
  std::function<void(pbft::node_id from, const pbft::packet& what, int face)>;

/// The result of an operation as bytes.
[[nodiscard]] slice pack_reply(const reply& what);
[[nodiscard]] reply unpack_reply(std::string_view bytes);

/// What a group's replicas execute.
class replicated_registers {
public:
  [[nodiscard]] slice execute(const pbft::request& what);
  [[nodiscard]] slice read(std::string_view operation) const;
  [[nodiscard]] std::vector<slice> pieces() const;
  [[nodiscard]] bool load(const std::vector<slice>& pieces);

  [[nodiscard]] std::uint64_t digest() const noexcept {
    return registers_.digest();
  }

private:
  register_map registers_;
};

struct replica_settings {
  pbft::options core{};
  bool batches = false; ///< several inputs are absorbed, then one flush
  bool answer_before_sync = false; ///< a mistake on purpose
  bool forget_disk = false;        ///< likewise
};

class pbft_replica {
public:
  pbft_replica(kernel& world, machine& box, carrier carry,
               pbft_invariants& invariants, const replica_settings& settings,
               std::shared_ptr<const pbft::crypto> keys);
  pbft_replica(const pbft_replica&) = delete;
  pbft_replica& operator=(const pbft_replica&) = delete;

  void receive(const pbft::packet& what);

  [[nodiscard]] const pbft::core* node() const noexcept {
    return life_ ? life_->node.get() : nullptr;
  }

  /// A replica whose disk failed stands still until its machine starts anew.
  void crash_if_stopped();

  struct counts {
    std::uint64_t packets = 0;
    std::uint64_t installs = 0;
    std::uint64_t view_changes = 0;
    std::uint64_t transfers = 0;
    std::uint64_t misdeeds = 0;
    std::uint64_t stopped_by_disk = 0;
  };

  [[nodiscard]] counts seen() const;

private:
  struct life {
    explicit life(machine& box) : log{box} {
    }

    pbft_log log;
    std::unique_ptr<pbft::core> node{};
    replicated_registers state{};
    pbft::sequence_number executed = 0;
    std::deque<pbft::input> inputs{};
    std::deque<pbft::disk_write> unwritten{};
    bool draining = false;
    nanoseconds armed_for = nanoseconds::max();
  };

  void start();
  void make_certain(pbft::durable_state found);
  void begin(pbft::durable_state found);
  void crash_soon();
  void end_life();
  void feed(pbft::input what);
  void drain();
  void arm();
  [[nodiscard]] bool carry_out(pbft::effects& wanted);
  [[nodiscard]] bool send_all(const std::vector<pbft::packet>& packets);
  [[nodiscard]] bool execute(const pbft::execution& what);
  void install(const pbft::install& what);
  void try_writes();
  void written(pbft::write_id id, errc code);

  kernel& world_;
  machine& box_;
  carrier carry_;
  pbft_invariants& invariants_;
  replica_settings settings_;
  std::shared_ptr<const pbft::crypto> keys_;
  dice dice_;
  std::unique_ptr<life> life_;
  counts counts_;
};

} // namespace neuroplex::sim
