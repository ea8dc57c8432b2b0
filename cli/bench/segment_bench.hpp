// A short benchmark of the segment on this machine.
//
// Purpose: tells in a few seconds what one operation costs here: uniform random
// keys of 16 bytes, one thread, one operation at a time. The benchmarks with
// peers beside them live in bench/.
//
// Ownership and threads: makes a segment file and removes it; one thread.
//
// Failure behaviour: the store's failures; the file is gone in any case.
#pragma once

#include "cli/tour/latency.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace neuroplex::cli {

struct bench_options {
  std::string directory = "/dev/shm";
  std::uint64_t entries = 200'000;
  std::uint64_t value_bytes = 100;
  std::uint64_t operations = 1'000'000; ///< of each kind
  bool huge_pages = true;
};

struct bench_row {
  std::string operation;
  latency_summary latency; ///< of single operations, the clock's cost taken off
  double mean_ns = 0;      ///< over all of them, the clock's cost taken off
};

struct bench_report {
  std::vector<bench_row> rows;
  std::uint64_t segment_bytes = 0;
  std::uint64_t huge_page_bytes = 0;
};

/// Measures; `step` is told the name of each operation before it begins and
/// answers false to stop, which ends in `deadline`.
[[nodiscard]] expected<bench_report>
run_segment_bench(const bench_options& options,
                  const std::function<bool(const std::string&)>& step);

} // namespace neuroplex::cli
