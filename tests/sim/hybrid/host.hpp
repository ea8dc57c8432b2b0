// One correct replica of a simulated hybrid group: core, log, state machine.
//
// Purpose: carries out what the core wants, on a machine that crashes between
// any two effects, and starts it again from its disk.
//
// Threads: none; belongs to the kernel.
//
// Failure: what a correct replica can never do fails the run
// (`hybrid_invariants`).
#pragma once

#include "tests/sim/hybrid/invariants.hpp"
#include "tests/sim/pbft/host.hpp"

namespace neuroplex::sim {

struct hybrid_format {
  using core = hybrid::core;
  using input = hybrid::input;
  using effects = hybrid::effects;
  using state = hybrid::durable_state;
  using write = hybrid::disk_write;

  static void encode(const hybrid::record& what, std::string& out) {
    hybrid::encode_record(what, out);
  }

  static expected<hybrid::record> decode(const slice& bytes) {
    return hybrid::decode_record(bytes);
  }
};

struct hybrid_replica_settings {
  hybrid::options core{};
  host_settings host{};
};

class hybrid_replica final : public core_host<hybrid_format> {
public:
  hybrid_replica(kernel& world, machine& box, carrier carry,
                 hybrid_invariants& invariants,
                 const hybrid_replica_settings& settings,
                 const hybrid::replica_keys& keys);

  /// What was seen over all lives.
  struct counts {
    std::uint64_t epochs_by_raft = 0;
    std::uint64_t rolled_back = 0;
    std::uint64_t evidence = 0;
    std::uint64_t transfers = 0;
    std::uint64_t stopped_by_disk = 0;
  };

  [[nodiscard]] counts seen() const;

private:
  [[nodiscard]] std::unique_ptr<hybrid::core>
  make(hybrid::durable_state found) override;
  [[nodiscard]] bool carry_out(hybrid::effects& wanted) override;
  void ending() override;

  carrier carry_;
  hybrid_invariants& invariants_;
  hybrid::options settings_;
  hybrid::replica_keys keys_;
  std::uint64_t lives_ = 0;
  counts counts_;
};

} // namespace neuroplex::sim
