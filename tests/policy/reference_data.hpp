// The traces of real accesses and the hit ratios of independent simulators, as
// the tests of this folder read them.
//
// Threads: one.
//
// Failure behaviour: without the data there are no rows; a trace that cannot be
// read ends the program.
#pragma once

#include "cli/trace/trace_file.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::policy_test {

/// Status of a test that found no data.
inline constexpr int status_skipped = 77;

/// What the command lines of these programs have in common, and what else
/// stands there.
struct arguments {
  std::string data;
  std::uint64_t max_requests = ~std::uint64_t{0};
  std::vector<std::string> others;
};

[[nodiscard]] arguments read_arguments(int argc, char** argv);

struct row {
  std::string trace;
  std::string policy;
  bool by_bytes = false;
  std::uint64_t size = 0;
  std::uint64_t requests = 0;
  std::string hit_ratio; // as written
};

[[nodiscard]] std::vector<row> read_reference(const std::string& path);

/// "corda 4523 objects"
[[nodiscard]] std::string cell_name(const row& at);

/// The best hit ratio of each cell, by the cell's name: what clairvoyance knows
/// is left out, and two whose rows did not reproduce their authors' figures.
[[nodiscard]] std::map<std::string, std::pair<row, double>>
best_of_cells(const std::vector<row>& rows);

/// Unpacked once, as the rows of a trace follow one another.
class traces {
public:
  explicit traces(std::string folder) : folder_{std::move(folder)} {
  }

  const std::vector<cli::trace_record>& of(const std::string& name);

private:
  std::string folder_;
  std::string name_;
  std::vector<cli::trace_record> records_;
};

} // namespace neuroplex::policy_test
