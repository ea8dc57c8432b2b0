#include "bench/memory/report.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

namespace neuroplex::bench {

namespace {

template <class Figure>
Figure& find_or_add(std::vector<Figure>& figures, const std::string& group,
                    const std::string& name) {
  auto found = std::find_if(figures.begin(), figures.end(), [&](auto& each) {
    return each.group == group && each.name == name;
  });
  if (found != figures.end())
    return *found;
  figures.emplace_back();
  figures.back().group = group;
  figures.back().name = name;
  return figures.back();
}

std::string formatted(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string describe(const target& goal) {
  switch (goal.rule) {
    case target::kind::none:
      return "";
    case target::kind::at_most_d:
      return formatted("<= %.2f D", goal.limit);
    case target::kind::at_most_ns:
      return formatted("< %.0f ns", goal.limit);
    case target::kind::at_most:
      return formatted("<= %.1f", goal.limit);
    case target::kind::at_least:
      return formatted(">= %.0f", goal.limit);
    case target::kind::more_than:
      return formatted("> %.0f", goal.limit);
  }
  return "";
}

bool met(const target& goal, double value, double multiple) {
  switch (goal.rule) {
    case target::kind::none:
      return true;
    case target::kind::at_most_d:
      return multiple <= goal.limit;
    case target::kind::at_most_ns:
      return value < goal.limit;
    case target::kind::at_most:
      return value <= goal.limit;
    case target::kind::at_least:
      return value >= goal.limit;
    case target::kind::more_than:
      return value > goal.limit;
  }
  return false;
}

const char* verdict(const target& goal, double value, double multiple) {
  if (goal.rule == target::kind::none)
    return "";
  return met(goal, value, multiple) ? "met" : "MISSED";
}

template <class Figure>
std::vector<std::string> groups_of(const std::vector<Figure>& figures) {
  std::vector<std::string> result;
  for (auto& each : figures)
    if (std::find(result.begin(), result.end(), each.group) == result.end())
      result.push_back(each.group);
  return result;
}

} // namespace

void report::add_time(const std::string& group, const std::string& name,
                      double ns, double d, target goal) {
  auto& figure = find_or_add(times_, group, name);
  figure.goal = judged ? goal : target{};
  figure.ns.push_back(ns);
  if (d > 0)
    figure.multiples.push_back(ns / d);
}

void report::add_number(const std::string& group, const std::string& name,
                        const std::string& unit, double value, target goal) {
  auto& figure = find_or_add(numbers_, group, name);
  figure.unit = unit;
  figure.goal = judged ? goal : target{};
  figure.values.push_back(value);
}

void report::print_table() const {
  std::printf("%s, %u CPUs, %s\n%s, load %.2f at the start, %.2f at the end\n",
              about.cpu.c_str(), about.cpu_count, about.kernel.c_str(),
              about.date.c_str(), load_at_start, load_average());
  std::printf("huge pages %s, for shared memory %s; store bypass: %s\n",
              about.huge_pages.c_str(), about.shmem_huge_pages.c_str(),
              about.store_bypass.c_str());
  std::printf(
    "D = %.1f ns (median of %zu; a dependent random miss; %llu MiB of "
    "it on huge pages)\n",
    median(yardstick_ns), yardstick_ns.size(),
    static_cast<unsigned long long>(yardstick_huge_bytes >> 20));
  for (auto& group : groups_of(times_)) {
    std::printf("\n%-48s %7s %10s %10s  %-10s\n", group.c_str(), "x D", "ns",
                "best ns", "target");
    for (auto& each : times_) {
      if (each.group != group)
        continue;
      auto multiple = median(each.multiples);
      auto ns = median(each.ns);
      auto shown =
        each.multiples.empty() ? std::string{"-"} : formatted("%.2f", multiple);
      std::printf("  %-46s %7s %10.1f %10.1f  %-10s %s\n", each.name.c_str(),
                  shown.c_str(), ns, percentile(each.ns, 0),
                  describe(each.goal).c_str(),
                  verdict(each.goal, ns, multiple));
    }
  }
  for (auto& group : groups_of(numbers_)) {
    std::printf("\n%s\n", group.c_str());
    for (auto& each : numbers_) {
      if (each.group != group)
        continue;
      auto value = median(each.values);
      std::printf("  %-46s %12.2f %-16s %-10s %s\n", each.name.c_str(), value,
                  each.unit.c_str(), describe(each.goal).c_str(),
                  verdict(each.goal, value, 0));
    }
  }
}

void report::print_json() const {
  using nlohmann::json;
  auto goal_of = [](json& into, const target& goal, double value,
                    double multiple) {
    if (goal.rule == target::kind::none)
      return;
    into["target"] = describe(goal);
    into["met"] = met(goal, value, multiple);
  };
  json times = json::array();
  for (auto& each : times_) {
    json row{{"group", each.group},
             {"name", each.name},
             {"ns", median(each.ns)},
             {"ns_of_each", each.ns}};
    if (!each.multiples.empty())
      row["multiple_of_d"] = median(each.multiples);
    goal_of(row, each.goal, median(each.ns), median(each.multiples));
    times.push_back(row);
  }
  json numbers = json::array();
  for (auto& each : numbers_) {
    json row{{"group", each.group},
             {"name", each.name},
             {"unit", each.unit},
             {"value", median(each.values)},
             {"value_of_each", each.values}};
    goal_of(row, each.goal, median(each.values), 0);
    numbers.push_back(row);
  }
  json whole{{"machine",
              {{"cpu", about.cpu},
               {"cpus", about.cpu_count},
               {"kernel", about.kernel},
               {"huge_pages", about.huge_pages},
               {"shmem_huge_pages", about.shmem_huge_pages},
               {"store_bypass", about.store_bypass}}},
             {"date", about.date},
             {"load_at_start", load_at_start},
             {"load_at_end", load_average()},
             {"d_ns", median(yardstick_ns)},
             {"d_ns_of_each", yardstick_ns},
             {"d_huge_bytes", yardstick_huge_bytes},
             {"times", times},
             {"numbers", numbers}};
  std::cout << whole.dump(2) << '\n';
}

} // namespace neuroplex::bench
