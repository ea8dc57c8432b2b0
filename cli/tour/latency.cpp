#include "cli/tour/latency.hpp"

#include <algorithm>
#include <cmath>

namespace neuroplex::cli {

namespace {

constexpr std::size_t clock_samples = 20'001;

} // namespace

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
  latency_samples samples{clock_samples};
  for (std::size_t i = 0; i < clock_samples; ++i) {
    auto before = std::chrono::steady_clock::now();
    auto after = std::chrono::steady_clock::now();
    samples.add(after - before);
  }
  return std::chrono::nanoseconds{
    static_cast<std::int64_t>(samples.summary().p50_ns)};
}

} // namespace neuroplex::cli
