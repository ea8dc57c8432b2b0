// A trace played against a cache, and what came of it.
//
// Purpose: hit ratio by requests and by bytes, and the processor's time that
// the policy cost a request. Every access of the trace, whatever its operation,
// is a look-up that takes the key in when it is missing; the cache begins empty
// and nothing is left out as warm-up, so figures compare with those of other
// simulators.
//
// Ownership and threads: borrows the cache; one thread.
//
// Invariants: `hits + misses == requests`.
//
// Failure behaviour: those of the trace file.
#pragma once

#include "cli/trace/trace_file.hpp"
#include "memory/policy/cache.hpp"

#include <cstdint>
#include <functional>

namespace neuroplex::cli {

struct replay_result {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t requested_bytes = 0;
  std::uint64_t hit_bytes = 0;
  std::uint64_t policy_ns = 0; ///< of processor time, reading left out

  [[nodiscard]] std::uint64_t misses() const noexcept {
    return requests - hits;
  }

  [[nodiscard]] double hit_ratio() const noexcept;
  [[nodiscard]] double byte_hit_ratio() const noexcept;
  [[nodiscard]] double ns_per_request() const noexcept;
};

/// Plays the rest of the file. `step` is called between pieces with what was
/// played so far and answers false to stop, which ends in `deadline`.
[[nodiscard]] expected<replay_result>
replay(trace_file& file, memory::policy::cache& cache,
       const std::function<bool(const replay_result&)>& step);

} // namespace neuroplex::cli
