// The parts of the tour that measure a healthy cluster.
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/process_memory.hpp"
#include "cli/tour/segment_timing.hpp"
#include "cli/tour/tour.hpp"

#include <random>

namespace neuroplex::cli {

namespace {

constexpr std::size_t segment_operations = 200'000;
constexpr std::size_t message_gets = 1'000;
constexpr std::uint64_t message_draw_seed = 3;

} // namespace

expected<void> tour::measure_segments() {
  const auto clock_cost = measure_clock_cost();
  latency_samples all_gets;
  latency_samples all_sets;
  progress bar{out_, terminal_, "  measure segments",
               2 * segment_operations * cluster_->nodes().size()};
  for (std::size_t node = 0; node < cluster_->nodes().size(); ++node) {
    auto segment = memory::store::open(segment_path(node));
    if (!segment)
      return segment.error();
    auto space = segment->find_namespace(tour_namespace);
    if (!space)
      return space.error();
    std::vector<const record*> entries;
    for (auto index : owned_[node])
      entries.push_back(&corpus_.entries[index]);
    auto timing =
      measure_segment(*segment, *space, entries, segment_operations);
    if (!timing)
      return timing.error();
    all_gets.append(timing->gets);
    all_sets.append(timing->sets);
    auto& figures = report_.nodes[node];
    figures.segment_get = timing->gets.summary(clock_cost);
    figures.segment_set = timing->sets.summary(clock_cost);
    const auto stats = segment->stats();
    figures.segment_used_bytes = stats.pool_used_bytes + stats.index_bytes;
    figures.segment_bytes = stats.segment_bytes;
    auto memory = memory_of_process(cluster_->nodes()[node].pid());
    if (!memory)
      return memory.error();
    figures.process_bytes = memory->own_bytes;
    bar.update(2 * segment_operations * (node + 1));
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while measuring"};
  }
  auto& cluster = report_.cluster;
  cluster.segment_get = all_gets.summary(clock_cost);
  cluster.segment_set = all_sets.summary(clock_cost);
  for (const auto& node : report_.nodes) {
    cluster.entries += node.entries;
    cluster.bytes += node.bytes;
    cluster.segment_used_bytes += node.segment_used_bytes;
    cluster.segment_bytes += node.segment_bytes;
    cluster.process_bytes += node.process_bytes;
  }
  bar.finish(human_count(segment_operations) + " gets and sets of each");
  return {};
}

// One key at a time, each of a node that has to ask another one for it.
expected<void> tour::measure_messages() {
  const auto node_count = cluster_->nodes().size();
  latency_samples all;
  progress bar{out_, terminal_, "  measure messages",
               message_gets * node_count};
  std::mt19937_64 random{message_draw_seed};
  std::string value;
  for (std::size_t node = 0; node < node_count; ++node) {
    auto door = open_door(node);
    if (!door)
      return door.error();
    const auto& foreign = owned_[(node + node_count - 1) % node_count];
    std::uniform_int_distribution<std::size_t> draw{0, foreign.size() - 1};
    latency_samples samples{message_gets};
    for (std::size_t i = 0; i < message_gets; ++i) {
      const auto& entry = corpus_.entries[foreign[draw(random)]];
      const auto before = std::chrono::steady_clock::now();
      const auto code = (*door)->get(entry.key, value);
      samples.add(std::chrono::steady_clock::now() - before);
      if (code != errc::ok || value != entry.value)
        return failure{
          code == errc::ok ? errc::corrupt : code,
          entry.key + " asked of node " + std::to_string(node + 1) + ": "
            + std::string{describe(code == errc::ok ? errc::corrupt : code)}};
      bar.update(message_gets * node + i + 1);
      if (interrupt_guard::requested())
        return failure{errc::deadline, "interrupted while measuring"};
    }
    all.append(samples);
    report_.nodes[node].message_get = samples.summary();
  }
  report_.cluster.message_get = all.summary();
  bar.finish(human_count(message_gets) + " gets through each");
  return {};
}

} // namespace neuroplex::cli
