// A table for people: headers, text to the left, numbers to the right.
//
// Purpose: the closing figures of `tour`, `stats` and `bench`.
//
// Ownership and threads: holds its cells; one thread.
//
// Invariants: every row has as many cells as there are columns. Widths count
// code points, so that UTF-8 text lines up (one column each).
#pragma once

#include "cli/terminal/terminal.hpp"

#include <initializer_list>
#include <ostream>
#include <string>
#include <vector>

namespace neuroplex::cli {

class table {
public:
  enum class align : std::uint8_t { left, right };

  struct column {
    std::string header; ///< with the unit, as "get p50 ns"
    align side = align::right;
  };

  explicit table(std::vector<column> columns);

  /// Missing cells stay empty; more cells than columns break a promise.
  void add_row(std::vector<std::string> cells);

  /// Prints header, a rule and the rows, each line with `indent` blanks.
  void print(std::ostream& out, const terminal_traits& traits,
             unsigned indent = 2) const;

private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

} // namespace neuroplex::cli
