// The nouns of the Raft core: entries, configurations, durable state.
//
// Purpose: plain values that the core, its driver, the codec and the simulator
// share.
//
// Threads: plain values.
//
// Invariants:
//  1. Node 0 is nobody; term 0 and index 0 lie before the first of each.
//  2. The members of each list of a configuration are sorted by id and unique.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/slice.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace neuroplex::raft {

using neuroplex::slice;

using node_id = std::uint64_t;
using term_number = std::uint64_t;
using log_index = std::uint64_t;
using write_id = std::uint64_t;
using request_id = std::uint64_t;

/// Which disk of a node: a node that starts on an empty disk takes a number
/// above all that its id ever had. The first is 0.
using incarnation_number = std::uint64_t;

/// Time since any origin of a monotonic clock.
using time = std::chrono::nanoseconds;

inline constexpr node_id nobody = 0;

enum class entry_kind : std::uint8_t {
  nothing,       ///< what a leader appends to commit in its own term
  command,       ///< a payload of the state machine
  configuration, ///< an encoded `configuration`, in force once it is in the log
};

inline constexpr std::uint8_t entry_kind_count = 3;

struct entry {
  term_number term = 0;
  log_index index = 0;
  entry_kind kind = entry_kind::nothing;
  slice data{};

  friend bool operator==(const entry&, const entry&) = default;
};

/// A node together with the disk by which it may be counted.
struct member {
  node_id id = nobody;
  incarnation_number incarnation = 0;

  friend auto operator<=>(const member&, const member&) = default;
};

/// Who takes part. In a joint configuration (`outgoing` not empty) decisions
/// need a majority of `voters` and one of `outgoing`.
struct configuration {
  std::vector<member> voters{};
  std::vector<member> outgoing{};
  std::vector<member> learners{};
  /// Outgoing voters that become learners when the joint configuration is left.
  std::vector<member> learners_next{};
  /// The leader leaves the joint configuration by itself, once it is committed.
  bool auto_leave = false;

  [[nodiscard]] bool joint() const noexcept {
    return !outgoing.empty();
  }

  friend bool operator==(const configuration&, const configuration&) = default;
};

/// What must survive a crash besides the log. Term and vote are one unit.
struct hard_state {
  term_number term = 0;
  node_id vote = nobody;
  /// A hint: everything up to here was committed. May be older than the truth.
  log_index commit = 0;

  friend bool operator==(const hard_state&, const hard_state&) = default;
};

struct snapshot_meta {
  log_index index = 0; ///< the last entry that it stands for
  term_number term = 0;
  configuration members{}; ///< in force at `index`
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0; ///< of the whole, as the driver computes it

  friend bool operator==(const snapshot_meta&, const snapshot_meta&) = default;
};

/// What a driver read back from its disk. A node that never ran has only a
/// snapshot with index 0 whose members are the first configuration, or none if
/// it is to be added later.
struct durable_state {
  hard_state hard{};
  snapshot_meta snapshot{};
  std::vector<entry> log{}; ///< contiguous; may begin before the snapshot's end
};

enum class role : std::uint8_t {
  follower,
  pre_candidate,
  candidate,
  leader,
  stopped, ///< its disk failed; it takes no further part
};

[[nodiscard]] std::string_view role_name(role which) noexcept;

} // namespace neuroplex::raft
