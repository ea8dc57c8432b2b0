#include "memory/latency_recorder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace neuroplex::memory {

namespace {

constexpr std::size_t clock_samples = 10'001;

// Place in sorted samples, by nearest rank.
std::size_t rank_of(double share, std::size_t count) {
  auto rank =
    static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
  return std::clamp<std::size_t>(rank, 1, count) - 1;
}

std::uint64_t measure_clock_cost() {
  using clock = std::chrono::steady_clock;
  std::vector<std::uint64_t> costs;
  costs.reserve(clock_samples);
  for (std::size_t i = 0; i < clock_samples; ++i) {
    auto before = clock::now();
    auto after = clock::now();
    costs.push_back(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(after - before)
        .count()));
  }
  auto middle = costs.begin() + clock_samples / 2;
  std::nth_element(costs.begin(), middle, costs.end());
  return *middle;
}

} // namespace

std::uint64_t clock_cost_ns() {
  static const auto result = measure_clock_cost();
  return result;
}

latency_recorder::latency_recorder() : latency_recorder{clock_cost_ns()} {
}

latency_recorder::latency_recorder(std::uint64_t own_cost_ns)
  : own_cost_ns_{own_cost_ns}, buckets_(bucket_count), ring_(ring_samples) {
}

std::size_t latency_recorder::bucket_of(std::uint64_t ns) noexcept {
  constexpr std::uint64_t exact = std::uint64_t{1} << precision_bits;
  if (ns < exact)
    return static_cast<std::size_t>(ns);
  // The top bit says which power of two, the next bits which of its buckets.
  auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - precision_bits;
  return ((static_cast<std::size_t>(shift) + 1) << precision_bits)
         + static_cast<std::size_t>((ns >> shift) - exact);
}

std::uint64_t latency_recorder::last_of(std::size_t bucket) noexcept {
  constexpr std::uint64_t exact = std::uint64_t{1} << precision_bits;
  if (bucket < exact)
    return bucket;
  auto shift = static_cast<unsigned>(bucket >> precision_bits) - 1;
  auto first = (exact + (bucket & (exact - 1))) << shift;
  return first + ((std::uint64_t{1} << shift) - 1);
}

void latency_recorder::remember(std::uint64_t ns) noexcept {
  ring_[next_] = ns;
  next_ = next_ + 1 == ring_samples ? 0 : next_ + 1;
  kept_ = std::min(kept_ + 1, ring_samples);
}

void latency_recorder::add(std::uint64_t measured_ns) noexcept {
  auto ns = measured_ns > own_cost_ns_ ? measured_ns - own_cost_ns_ : 0;
  ++buckets_[bucket_of(ns)];
  ++count_;
  sum_ns_ += ns;
  min_ns_ = std::min(min_ns_, ns);
  max_ns_ = std::max(max_ns_, ns);
  remember(ns);
}

std::uint64_t latency_recorder::percentile(double share) const noexcept {
  auto wanted = rank_of(share, count_) + 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted)
      return std::clamp(last_of(i), min_ns_, max_ns_);
  }
  return max_ns_;
}

latency_summary latency_recorder::recent() const {
  if (kept_ == 0)
    return {};
  std::vector<std::uint64_t> sorted{
    ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(kept_)};
  std::sort(sorted.begin(), sorted.end());
  auto at = [&sorted](double share) {
    return sorted[rank_of(share, sorted.size())];
  };
  double sum = 0;
  for (auto each : sorted)
    sum += static_cast<double>(each);
  return {.samples = sorted.size(),
          .min_ns = sorted.front(),
          .median_ns = at(0.5),
          .mean_ns = sum / static_cast<double>(sorted.size()),
          .p95_ns = at(0.95),
          .p99_ns = at(0.99),
          .p999_ns = at(0.999),
          .max_ns = sorted.back()};
}

latency_summary latency_recorder::lifetime() const noexcept {
  if (count_ == 0)
    return {};
  return {.samples = count_,
          .min_ns = min_ns_,
          .median_ns = percentile(0.5),
          .mean_ns = static_cast<double>(sum_ns_) / static_cast<double>(count_),
          .p95_ns = percentile(0.95),
          .p99_ns = percentile(0.99),
          .p999_ns = percentile(0.999),
          .max_ns = max_ns_};
}

void latency_recorder::merge(const latency_recorder& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  min_ns_ = std::min(min_ns_, other.min_ns_);
  max_ns_ = std::max(max_ns_, other.max_ns_);
  // From its oldest on; of itself, from a copy.
  auto theirs = other.ring_;
  auto kept = other.kept_;
  auto first = kept < ring_samples ? 0 : other.next_;
  for (std::size_t i = 0; i < kept; ++i)
    remember(theirs[(first + i) % ring_samples]);
}

void latency_recorder::clear() noexcept {
  std::fill(buckets_.begin(), buckets_.end(), 0);
  count_ = 0;
  sum_ns_ = 0;
  min_ns_ = ~std::uint64_t{0};
  max_ns_ = 0;
  next_ = 0;
  kept_ = 0;
}

} // namespace neuroplex::memory
