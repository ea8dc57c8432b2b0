// The figures of a tour, as a table for people and as JSON for programs.
//
// Purpose: everything the tour measured and counted, in one value.
//
// Threads: plain values.
#pragma once

#include "cli/terminal/terminal.hpp"
#include "cli/tour/latency.hpp"

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace neuroplex::cli {

/// What one node holds and costs.
struct node_figures {
  std::uint32_t replica_id = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0; ///< keys and values
  latency_summary segment_get;
  latency_summary segment_set;
  latency_summary message_get; ///< of keys that other nodes own
  std::uint64_t segment_used_bytes = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t process_bytes = 0; ///< resident, without the segment
};

/// What the cluster did while one node was dead.
struct outage_figures {
  std::uint32_t replica_id = 0;    ///< of the dead node
  std::uint64_t noticed_ms = 0;    ///< kill until a survivor said unavailable
  std::uint64_t served = 0;        ///< entries read from each survivor
  std::uint64_t unavailable = 0;   ///< entries answered so by each survivor
  latency_summary unavailable_get; ///< how quickly that answer comes
  std::uint64_t back_ms = 0;       ///< start until a survivor served its keys
};

/// What three nodes that agree did when the one that led was killed.
struct agreement_figures {
  std::uint32_t replica_id = 0;   ///< of the node that led
  std::uint64_t acknowledged = 0; ///< writes, before and after the kill
  std::uint64_t gap_ms = 0;       ///< kill until the next write was answered
};

/// What three nodes with replicas did while one of them was cut off, and after.
struct partition_figures {
  std::uint32_t replica_id = 0;    ///< of the node that was cut off
  std::uint64_t entries = 0;       ///< when all was whole again
  std::uint64_t written_apart = 0; ///< changes while it was cut off
  std::uint64_t converged_ms = 0;  ///< heal until all nodes had all
  std::uint64_t bytes_sent = 0;    ///< by all nodes, for that
  std::uint64_t state_bytes = 0;   ///< that one node's whole state has at least
};

/// What concept memory did with WordNet: paths and writes alone, and at once.
struct concept_figures {
  std::uint64_t concepts = 0;
  std::uint64_t associations = 0;
  double learn_seconds = 0;     ///< all concepts and half of the associations
  latency_summary read_at_rest; ///< a path between two concepts
  latency_summary read_in_burst;
  latency_summary write_at_rest;
  latency_summary write_in_burst;
  latency_summary staleness; ///< from the end of a burst until it is seen
};

struct tour_report {
  std::uint64_t synsets = 0;
  std::uint64_t words = 0;
  std::uint64_t senses = 0;
  std::uint64_t pointers = 0;
  std::uint64_t pointer_kinds = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  double load_seconds = 0;
  double message_read_seconds = 0;
  std::uint64_t compared_in_segments = 0; ///< entries, over all comparisons
  std::uint64_t compared_by_messages = 0;
  std::vector<node_figures> nodes;
  node_figures cluster; ///< sums, and percentiles over all samples
  outage_figures outage;
  agreement_figures agreement;
  partition_figures partition;
  concept_figures concepts;
  double total_seconds = 0;
};

/// The closing table.
void print_report(std::ostream& out, const terminal_traits& traits,
                  const tour_report& report);

/// One JSON object with stable keys, without a line end.
[[nodiscard]] std::string report_as_json(const tour_report& report);

} // namespace neuroplex::cli
