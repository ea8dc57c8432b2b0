// Where a segment's memory lies on a machine with several memory nodes.
//
// Purpose: a segment is shared, so the node of whoever touches a page first is
// rarely the best place for it. With a policy the kernel places the pages of
// the whole segment, whichever process commits them: the policy of memory in
// /dev/shm belongs to the file. Plain system calls, no libnuma.
//
// Threads: pure functions and system calls; any thread.
//
// Invariants: placing memory is advice. Where it cannot be had (one node, a
// kernel or sandbox that refuses, a file on a disk) the segment works the same,
// and `placement_report` says why in one line.
#pragma once

#include "memory/status.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::limits {

/// Memory nodes that can be named: 0 to 63.
inline constexpr unsigned max_numa_nodes = 64;

} // namespace neuroplex::limits

namespace neuroplex::memory {

/// Who decides where pages of the segment lie.
enum class numa_policy : std::uint8_t {
  system,     ///< as the machine, or the file, has it already
  local,      ///< on the node of the thread that commits them
  interleave, ///< page by page in turn: bandwidth of all nodes
  bind,       ///< on the given nodes alone
};

inline constexpr std::uint8_t numa_policy_count =
  static_cast<std::uint8_t>(numa_policy::bind) + 1;

[[nodiscard]] std::string_view to_string(numa_policy policy) noexcept;

/// A set of memory nodes, node `i` at bit `i`.
using numa_node_set = std::uint64_t;

struct numa_options {
  numa_policy policy = numa_policy::system;

  /// Of interleave and bind; 0 means all that have memory.
  numa_node_set nodes = 0;

  friend bool operator==(const numa_options&, const numa_options&) = default;
};

/// What became of a wish.
struct placement_report {
  numa_policy policy = numa_policy::system; ///< as asked for
  bool applied = false; ///< the kernel took it and will heed it
  std::string text;     ///< "interleave over nodes 0-1", or why not; one line
};

struct numa_node {
  unsigned number = 0;
  std::string cpus; ///< as the kernel writes them: "0-3,8-11"; empty for none
  unsigned cpu_count = 0;
  std::uint64_t memory_bytes = 0; ///< 0 when the kernel does not say
};

/// Memory nodes of this machine that have memory, in order. Empty when the
/// kernel does not tell. `root` is the kernel's directory of them.
[[nodiscard]] std::vector<numa_node>
numa_nodes(const std::string& root = "/sys/devices/system/node");

/// Reads "0-1,3"; the empty text is the empty set. `bad_argument` for anything
/// else, or a node beyond the limit.
[[nodiscard]] expected<numa_node_set> parse_node_set(std::string_view text);

/// "0-1,3".
[[nodiscard]] std::string node_set_text(numa_node_set nodes);

/// Whether the file `fd` is kept in memory alone, as in /dev/shm.
[[nodiscard]] bool lies_in_memory(int fd) noexcept;

/// Has pages of [base, base + bytes), a shared map of the file `fd`, placed
/// like that from now on; those that are there stay. Never fails: see the
/// answer.
placement_report place_memory(void* base, std::size_t bytes, int fd,
                              const numa_options& options);

/// What the kernel would answer to `options`, tried on a page of our own.
[[nodiscard]] placement_report try_placement(const numa_options& options);

} // namespace neuroplex::memory
