// One correct replica of a simulated PBFT group: core, log, state machine.
//
// Purpose: does for a core what an actor does in production, on a simulated
// machine: carries out effects, crashes between any two of them, starts again
// from its disk. It decides nothing that the core should decide.
//
// Threads: none; belongs to the kernel.
//
// Failure: what a correct replica can never do fails the run
// (`pbft_invariants`).
#pragma once

#include "consensus/pbft/core.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/pbft/core_host.hpp"
#include "tests/sim/pbft/invariants.hpp"
#include "tests/sim/raft/register_map.hpp"

#include <functional>
#include <memory>
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

struct pbft_format {
  using core = pbft::core;
  using input = pbft::input;
  using effects = pbft::effects;
  using state = pbft::durable_state;
  using write = pbft::disk_write;

  static void encode(const pbft::record& what, std::string& out) {
    pbft::encode_record(what, out);
  }

  static expected<pbft::record> decode(const slice& bytes) {
    return pbft::decode_record(bytes);
  }
};

struct replica_settings {
  pbft::options core{};
  host_settings host{};
};

class pbft_replica final : public core_host<pbft_format> {
public:
  pbft_replica(kernel& world, machine& box, carrier carry,
               pbft_invariants& invariants, const replica_settings& settings,
               std::shared_ptr<const pbft::crypto> keys);

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
  [[nodiscard]] std::unique_ptr<pbft::core>
  make(pbft::durable_state found) override;
  [[nodiscard]] bool carry_out(pbft::effects& wanted) override;
  void ending() override;
  [[nodiscard]] bool send_all(const std::vector<pbft::packet>& packets);
  [[nodiscard]] bool execute(const pbft::execution& what);
  void install(const pbft::install& what);

  carrier carry_;
  pbft_invariants& invariants_;
  pbft::options settings_;
  std::shared_ptr<const pbft::crypto> keys_;
  replicated_registers state_; ///< of the present life
  pbft::sequence_number executed_ = 0;
  counts counts_;
};

} // namespace neuroplex::sim
