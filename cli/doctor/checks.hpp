// The checks of `neuroplex doctor`, one function each.
//
// Purpose: reads what the kernel tells about this machine and compares it with
// what a node with these options needs. Changes nothing.
//
// Threads: one.
//
// Invariants: a check that is not `good` names a fix that can be typed.
#pragma once

#include "config/node_options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::cli {

enum class health : std::uint8_t {
  good,
  warning, ///< it runs, but slower or with less safety
  bad,     ///< a node with these options will not start or not last
};

struct finding {
  std::string name; ///< stable, as "shared-memory"
  health state = health::good;
  std::string found; ///< what is there
  std::string fix;   ///< what to do; empty when good
};

/// Room for the segment where it will lie.
[[nodiscard]] finding check_space(const config::node_options& options);

/// Whether the kernel gives huge pages to shared memory.
[[nodiscard]] finding check_huge_pages(const config::node_options& options);

/// Memory nodes, and what the segment's memory policy does with them.
[[nodiscard]] finding check_memory_nodes(const config::node_options& options);

/// Memory of the machine against the segment.
[[nodiscard]] finding check_memory(const config::node_options& options);

/// File descriptors against connections.
[[nodiscard]] finding check_descriptors(const config::node_options& options);

/// Processor features that the fast paths use.
[[nodiscard]] finding check_processor();

/// One finding for each fixed port: free, or taken by whom.
[[nodiscard]] std::vector<finding>
check_ports(const config::node_options& options);

/// Whether the segment can be attached, and dead participants in it.
[[nodiscard]] finding check_segment(const std::string& path);

/// All of them.
[[nodiscard]] std::vector<finding>
run_checks(const config::node_options& options);

} // namespace neuroplex::cli
