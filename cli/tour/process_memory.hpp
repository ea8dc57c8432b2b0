// Resident memory of a process as Linux tells it.
#pragma once

#include "memory/status.hpp"

#include <cstdint>

#include <sys/types.h>

namespace neuroplex::cli {

struct process_memory {
  std::uint64_t own_bytes = 0;    ///< anonymous memory and file pages
  std::uint64_t shared_bytes = 0; ///< shared memory: the segment's pages
};

/// From /proc/<pid>/status. `not_found` when there is no such process.
[[nodiscard]] expected<process_memory> memory_of_process(pid_t pid);

} // namespace neuroplex::cli
