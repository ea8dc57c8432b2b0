// Progress of one step: a bar that is redrawn on a terminal, lines elsewhere.
//
// Purpose: a long step shows that it moves, how fast, and how long it will
// take, without filling a log file.
//
// Ownership and threads: borrows the stream, which must outlive it; one thread.
//
// Invariants:
//  1. On a terminal at most one redraw every redraw_interval; elsewhere at most
//     one line every 10 % or every line_interval, whichever is later to come.
//  2. No line is wider than the terminal.
//  3. After `finish` or `abandon` the cursor stands on a fresh line.
//
// Failure behaviour: a stream that fails is written no more; the caller checks
// the stream at the end.
#pragma once

#include "cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace neuroplex::cli {

/// What the units of a step are.
enum class progress_unit : std::uint8_t { count, bytes };

class progress {
public:
  using clock_function = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr std::chrono::milliseconds redraw_interval{100};
  static constexpr std::chrono::milliseconds line_interval{2000};

  /// A step named `label` of `total` units; 0 when the total is not known.
  progress(std::ostream& out, const terminal_traits& traits, std::string label,
           std::uint64_t total, progress_unit unit = progress_unit::count,
           clock_function now = std::chrono::steady_clock::now);

  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Abandons what was not finished.
  ~progress();

  /// Tells that `done` units are done now. Cheap when nothing is due.
  void update(std::uint64_t done);

  /// Ends the step with one line: label, what was done, time, rate. `note`
  /// replaces the units done.
  void finish(std::string_view note = {});

  /// Ends the step without success: the bar's line is left as it stands.
  void abandon();

private:
  [[nodiscard]] std::string amount(std::uint64_t units) const;
  [[nodiscard]] std::string rate_text(double per_second) const;
  void draw(std::chrono::steady_clock::time_point now);
  void print_line(std::chrono::steady_clock::time_point now);
  [[nodiscard]] std::string summary(std::chrono::steady_clock::time_point now,
                                    unsigned detail) const;

  std::ostream& out_;
  terminal_traits traits_;
  std::string label_;
  std::uint64_t total_;
  progress_unit unit_;
  clock_function now_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point shown_;
  std::uint64_t done_ = 0;
  unsigned shown_tenths_ = 0; // of the total, in the last plain line
  bool drawn_ = false;
  bool ended_ = false;
};

} // namespace neuroplex::cli
