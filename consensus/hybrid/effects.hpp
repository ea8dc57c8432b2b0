// What happens to a replica of a hybrid group, and what it wants done.
//
// Purpose: the inputs and outputs of `core::step`.
//
// Threads: plain values.
//
// Invariants: every packet may leave at once; what promises something that is
// not durable yet stays inside of the core until it is. A packet to the control
// client of a replica (`control_client_of`) goes to that replica.
//
// Failure behaviour: a failed write is told by `persist_failed`; all else may
// be lost.
#pragma once

#include "consensus/hybrid/durable.hpp"
#include "consensus/hybrid/ledger.hpp"
#include "consensus/pbft/input.hpp"

#include <optional>
#include <variant>

namespace neuroplex::hybrid {

using pbft::packet;
using pbft::persist_failed;
using pbft::persisted;
using pbft::received;
using pbft::tick;

/// The operator wants the present epoch by Raft to end. It does when a weak
/// quorum of replicas was told so.
struct end_epoch {};

using input =
  std::variant<tick, received, persisted, persist_failed, end_epoch>;

struct effects {
  std::vector<packet> packets{};
  /// Hand to the disk in the order they come.
  std::optional<disk_write> write{};
  /// The settled state is another one, which a quorum signed: who watches must
  /// look at all of it. Comes before what was executed.
  bool replaced = false;
  /// For those who watch; nothing is to be done.
  std::vector<execution> executed{};
  std::optional<epoch_info> switched{}; ///< the mode or the epoch changed here

  void clear();
};

} // namespace neuroplex::hybrid
