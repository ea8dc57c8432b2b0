#include "cli/tour/latency.hpp"

#include "memory/latency_recorder.hpp"

#include <algorithm>
#include <cmath>

namespace neuroplex::cli {

latency_summary latency_samples::summary(std::chrono::nanoseconds clock_cost) {
  if (nanoseconds_.empty())
    return {};
  std::sort(nanoseconds_.begin(), nanoseconds_.end());
  auto at = [&](double share) {
    auto rank = static_cast<std::size_t>(
      std::ceil(share * static_cast<double>(nanoseconds_.size())));
    auto value = nanoseconds_[std::max<std::size_t>(rank, 1) - 1];
    return static_cast<double>(
      std::max<std::int64_t>(value - clock_cost.count(), 0));
  };
  return {nanoseconds_.size(), at(0.5), at(0.99), at(1.0)};
}

std::chrono::nanoseconds measure_clock_cost() {
  return std::chrono::nanoseconds{memory::clock_cost_ns()};
}

} // namespace neuroplex::cli
