// What was measured, as a table for people or JSON for programs.
//
// Each figure keeps all its repetitions; what is shown is their median.
// Multiples of D and ratios are formed within a repetition, before the median
// is taken, so that a slow moment of the machine falls on both sides.
#pragma once

#include "bench/memory/machine.hpp"

#include <string>
#include <vector>

namespace neuroplex::bench {

/// What a figure was asked to be.
struct target {
  enum class kind { none, at_most_d, at_most_ns, at_most, at_least, more_than };

  kind rule = kind::none;
  double limit = 0;
};

/// A time an operation.
struct time_figure {
  std::string group;
  std::string name;
  target goal;
  std::vector<double> ns;
  std::vector<double> multiples; ///< of D; empty when D says nothing here
};

/// A ratio of two times, or any other number without a yardstick.
struct number_figure {
  std::string group;
  std::string name;
  std::string unit;
  target goal;
  std::vector<double> values;
};

class report {
public:
  machine about;
  bool judged = true; ///< false: too short a run to hold targets against it
  double load_at_start = 0;
  std::vector<double> yardstick_ns; ///< D, each time it was measured
  std::uint64_t yardstick_huge_bytes = 0;

  void add_time(const std::string& group, const std::string& name, double ns,
                double d, target goal = {});
  void add_number(const std::string& group, const std::string& name,
                  const std::string& unit, double value, target goal = {});

  void print_table() const;
  void print_json() const;

private:
  std::vector<time_figure> times_;
  std::vector<number_figure> numbers_;
};

} // namespace neuroplex::bench
