// What a PBFT replica wants done.
//
// Purpose: the outputs of `core::step`.
//
// Threads: plain values.
//
// Invariants:
//  1. Every packet may leave at once: what promises something that is not
//     durable yet stays inside of the core until it is.
//  2. Executions come once each, in the order of their sequence numbers; after
//     an `install` they go on behind it.
//
// Failure behaviour: a failed write is told by `persist_failed`; all else may
// be lost.
#pragma once

#include "consensus/pbft/durable.hpp"
#include "consensus/pbft/message.hpp"

#include <optional>

namespace neuroplex::pbft {

/// Execute these in order and report with `executed`.
struct execution {
  sequence_number sequence = 0;
  std::vector<request> requests{}; ///< those that were not executed before
  /// The state after it is wanted as well, in pieces of at most
  /// limits::max_piece_bytes, equal on all replicas.
  bool checkpoint = false;
};

/// Answer from the state as it is, with read_answered.
struct read_order {
  node_id client = nobody;
  timestamp number = 0;
  slice operation{};
};

/// Make this the state of the state machine, behind all executions handed out
/// before, and report with `installed`.
struct install {
  sequence_number sequence = 0;
  std::vector<slice> pieces{};
};

struct view_notice {
  view_number view = 0;
  bool active = false;
  node_id primary = nobody;

  friend bool operator==(const view_notice&, const view_notice&) = default;
};

struct effects {
  std::vector<packet> packets{};
  /// Hand to the disk in the order they come.
  std::optional<disk_write> write{};
  std::optional<pbft::install> install{}; ///< before the executions
  std::vector<execution> executions{};
  std::vector<read_order> reads{};
  std::optional<view_notice> view{}; ///< the view changed, or began

  void clear();
  [[nodiscard]] bool empty() const noexcept;
};

} // namespace neuroplex::pbft
