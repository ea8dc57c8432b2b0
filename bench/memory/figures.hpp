// The figures, one function a group. Each interleaves its repetitions with the
// yardstick and with the peers, and checks every answer: a store that answers
// wrongly has no speed.
#pragma once

#include "bench/memory/chase.hpp"
#include "bench/memory/clock.hpp"
#include "bench/memory/report.hpp"
#include "bench/memory/second_process.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::bench {

struct settings {
  std::uint64_t entries = 10'000'000;
  std::uint64_t zipf_entries = 1'000'000;
  double seconds = 0.3; ///< for one repetition of one figure
  int repetitions = 5;
  std::uint64_t rounds = 50'000; ///< of an exchange, in one repetition
  std::size_t chase_bytes = std::size_t{2} << 30;
};

/// What all groups share.
struct bench_run {
  const settings& options;
  const std::string& directory; ///< on tmpfs, for segments and databases
  second_process* other;        ///< null when there is one CPU only
  pointer_chase& chase;
  tick_scale scale;
  report& results;

  /// D now, noted in the report.
  double yardstick() {
    auto d = chase.measure_ns(options.seconds / 2);
    results.yardstick_ns.push_back(d);
    return d;
  }
};

void measure_uniform(bench_run& run);
void measure_inline(bench_run& run);
void measure_zipf(bench_run& run);
void measure_exchange(bench_run& run);
void measure_sizes(bench_run& run);

} // namespace neuroplex::bench
