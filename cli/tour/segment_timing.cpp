#include "cli/tour/segment_timing.hpp"

#include <random>

namespace neuroplex::cli {

namespace {

constexpr std::uint64_t draw_seed = 2006; // any; runs shall be alike

failure timing_failure(errc code, const record& entry) {
  return {code, entry.key + ": " + std::string{describe(code)}};
}

} // namespace

expected<segment_timing> measure_segment(memory::store& segment,
                                         memory::namespace_id space,
                                         std::span<const record* const> entries,
                                         std::size_t operations) {
  if (entries.empty())
    return failure{errc::bad_argument, "no entries to measure with"};
  using clock = std::chrono::steady_clock;
  std::mt19937_64 random{draw_seed};
  std::uniform_int_distribution<std::size_t> draw{0, entries.size() - 1};
  segment_timing timing{latency_samples{operations},
                        latency_samples{operations}};
  // Copied before the clock starts: a program that asks for a key has just made
  // it, so fetching it from the corpus is not part of the operation.
  std::string key;
  std::string value;
  for (std::size_t i = 0; i < operations; ++i) {
    const auto& entry = *entries[draw(random)];
    key = entry.key;
    const auto before = clock::now();
    const auto code = segment.get(space, key, value);
    timing.gets.add(clock::now() - before);
    if (code != errc::ok)
      return timing_failure(code, entry);
    if (value != entry.value)
      return timing_failure(errc::corrupt, entry);
  }
  for (std::size_t i = 0; i < operations; ++i) {
    const auto& entry = *entries[draw(random)];
    key = entry.key;
    value = entry.value;
    const auto before = clock::now();
    const auto code = segment.set(space, key, value);
    timing.sets.add(clock::now() - before);
    if (code != errc::ok)
      return timing_failure(code, entry);
  }
  return timing;
}

} // namespace neuroplex::cli
