// The parts of the tour that read everything back and compare every byte.
#include "cli/load/segment_check.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"

#include "config/diagnostic.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace neuroplex::cli {

namespace {

constexpr std::chrono::milliseconds compare_timeout{300'000};
constexpr std::chrono::milliseconds compare_poll{50};

std::string text_of(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

} // namespace

// Runs `neuroplex load wordnet --compare-with SEGMENT...`, which reads WordNet
// for itself and attaches to the segments.
expected<void> tour::compare_from_another_process() {
  const auto output = scratch_->path() + "/compare.json";
  const auto errors = scratch_->path() + "/compare.log";
  child_command command{.arguments = {options_.program, "load", "wordnet",
                                      options_.wordnet_directory, "--namespace",
                                      std::string{tour_namespace}, "--output",
                                      "json"},
                        .output_path = output,
                        .error_path = errors};
  for (std::size_t i = 0; i < cluster_->nodes().size(); ++i) {
    command.arguments.emplace_back("--compare-with");
    command.arguments.push_back(segment_path(i));
  }
  std::error_code ignored; // the file need not be there
  std::filesystem::remove(output, ignored);
  progress bar{out_, terminal_, "  compare in segments", 0};
  auto child = child_process::start(command);
  if (!child)
    return child.error();
  const auto deadline = std::chrono::steady_clock::now() + compare_timeout;
  std::optional<child_exit> ended;
  while (!(ended = child->wait(compare_poll))) {
    if (interrupt_guard::requested()
        || std::chrono::steady_clock::now() > deadline)
      return failure{errc::deadline, "the comparing process did not end"};
  }
  auto result = nlohmann::json::parse(text_of(output), nullptr, false);
  if (!result.is_object())
    return failure{errc::corrupt, "the comparing process ended with "
                                    + ended->to_string()
                                    + " and no result: " + text_of(errors)};
  const auto equal = result.value("equal", std::uint64_t{0});
  if (!ended->ok() || !result.value("same", false) || equal != report_.entries)
    return failure{errc::corrupt,
                   "the segments hold " + std::to_string(equal) + " of "
                     + human_entries(report_.entries) + ": "
                     + result.value("first_difference", std::string{})};
  report_.compared_in_segments += equal;
  bar.finish(human_count(equal) + " equal, read by process "
             + std::to_string(child->pid()));
  return {};
}

// Looks into the segments once, so that the tour knows who owns what without
// asking those it checks.
expected<void> tour::learn_owners() {
  const auto node_count = cluster_->nodes().size();
  owned_.assign(node_count, {});
  owners_.assign(corpus_.entries.size(), 0);
  report_.nodes.assign(node_count, {});
  std::vector<bool> found(corpus_.entries.size(), false);
  for (std::size_t node = 0; node < node_count; ++node) {
    auto segment =
      memory::store::open(segment_path(node), memory::access_mode::read_only);
    if (!segment)
      return segment.error();
    auto space = segment->find_namespace(tour_namespace);
    if (!space)
      return space.error();
    auto& figures = report_.nodes[node];
    figures.replica_id = cluster_->nodes()[node].options().replica_id;
    for (std::size_t i = 0; i < corpus_.entries.size(); ++i) {
      const auto& entry = corpus_.entries[i];
      if (found[i] || !segment->contains(*space, entry.key))
        continue;
      found[i] = true;
      owners_[i] = static_cast<std::uint8_t>(node);
      owned_[node].push_back(i);
      ++figures.entries;
      figures.bytes += entry.key.size() + entry.value.size();
    }
    if (owned_[node].empty())
      return failure{errc::corrupt, "node " + std::to_string(node + 1)
                                      + " owns no entry at all"};
  }
  return {};
}

// Every entry is read from the node after its owner, which has to ask for it.
expected<void> tour::compare_by_messages() {
  const auto node_count = cluster_->nodes().size();
  progress bar{out_, terminal_, "  compare by messages", report_.entries};
  std::uint64_t done = 0;
  for (std::size_t owner = 0; owner < node_count; ++owner) {
    auto compared =
      compare_through((owner + 1) % node_count, owned_[owner], bar, done);
    if (!compared)
      return compared;
  }
  if (done != report_.entries)
    return failure{errc::corrupt, "only " + std::to_string(done) + " of "
                                    + human_entries(report_.entries)
                                    + " read by messages"};
  report_.compared_by_messages += done;
  bar.finish(human_count(done) + " equal, read from other nodes");
  return {};
}

expected<void> tour::compare_through(std::size_t door_index,
                                     const std::vector<std::size_t>& indexes,
                                     progress& bar, std::uint64_t& done) {
  auto door = open_door(door_index);
  if (!door)
    return door.error();
  std::vector<memory::get_request> requests;
  for (std::size_t begin = 0; begin < indexes.size(); begin += keys_per_call) {
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while comparing"};
    const auto end = std::min(begin + keys_per_call, indexes.size());
    requests.resize(end - begin);
    for (std::size_t i = begin; i < end; ++i)
      requests[i - begin] = {
        corpus_.entries[indexes[i]].key, {}, errc::internal};
    auto asked = (*door)->get_many(requests);
    if (!asked)
      return asked;
    for (std::size_t i = begin; i < end; ++i) {
      const auto& entry = corpus_.entries[indexes[i]];
      const auto& answer = requests[i - begin];
      if (answer.status != errc::ok)
        return failure{answer.status, config::quote(entry.key)
                                        + " asked of node "
                                        + std::to_string(door_index + 1) + ": "
                                        + std::string{describe(answer.status)}};
      if (answer.value != entry.value)
        return failure{errc::corrupt, config::quote(entry.key)
                                        + " differs when read from node "
                                        + std::to_string(door_index + 1)};
      ++done;
    }
    bar.update(done);
  }
  return {};
}

} // namespace neuroplex::cli
