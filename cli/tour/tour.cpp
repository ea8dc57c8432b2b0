#include "cli/tour/tour.hpp"

#include "cli/load/loader.hpp"
#include "cli/load/wordnet.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"

#include <array>
#include <cerrno>
#include <filesystem>

#include <poll.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view tour_prefix = "neuroplex-tour-";
constexpr std::chrono::milliseconds node_start_timeout{60'000};
constexpr std::uint64_t small_segment_bytes = std::uint64_t{16} << 20;
constexpr int pause_poll_ms = 200;

double seconds_since(clock::time_point then) {
  return std::chrono::duration<double>(clock::now() - then).count();
}

failure interrupted() {
  return {errc::deadline, "the tour was interrupted"};
}

} // namespace

tour::tour(const tour_options& options, std::ostream& out,
           const terminal_traits& terminal)
  : options_{options}, out_{out}, terminal_{terminal} {
}

void tour::tell(const std::string& line) {
  out_ << "  " << line << '\n' << std::flush;
}

std::string tour::segment_path(std::size_t node_index) {
  return cluster_->nodes()[node_index].options().segment_path();
}

expected<std::unique_ptr<message_door>>
tour::open_door(std::size_t node_index, std::string_view space) {
  const auto& node = cluster_->nodes()[node_index].options();
  return open_client_door(node.basp.port.number, std::string{space});
}

expected<tour_report> tour::run() {
  constexpr std::array<std::pair<std::string_view, step_function>, 10> steps{
    {{"read", &tour::read_input},
     {"start", &tour::start_cluster},
     {"load", &tour::load},
     {"verify", &tour::verify},
     {"measure", &tour::measure},
     {"kill", &tour::kill_one},
     {"restart", &tour::restart_it},
     {"agree", &tour::agree},
     {"part", &tour::part},
     {"learn", &tour::learn_concepts}}};
  const auto started = clock::now();
  for (auto [name, step] : steps) {
    auto done = run_step(name, step);
    if (!done)
      return done.error();
  }
  report_.total_seconds = seconds_since(started);
  return report_;
}

expected<void> tour::run_step(std::string_view name, step_function step) {
  if (interrupt_guard::requested())
    return interrupted();
  auto done = (this->*step)();
  if (interrupt_guard::requested())
    return interrupted(); // and what failed, failed by that
  if (!done)
    return done;
  return name == options_.pause_after ? pause(name) : done;
}

// Waits for a line, the end of standard input, or an interrupt.
expected<void> tour::pause(std::string_view step) {
  for (std::size_t i = 0; i < tour_node_count; ++i)
    tell("segment of node " + std::to_string(i + 1) + ": " + segment_path(i));
  tell("paused after " + std::string{step} + ": press Enter to go on");
  for (;;) {
    if (interrupt_guard::requested())
      return interrupted();
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, pause_poll_ms) <= 0)
      continue;
    char byte = 0;
    const auto count = ::read(STDIN_FILENO, &byte, 1);
    if (count == 0 || (count > 0 && byte == '\n'))
      return {};
    if (count < 0 && errno != EINTR)
      return failure{errc::io, "standard input cannot be read"};
  }
}

expected<void> tour::read_input() {
  tell(std::string{wordnet_notice});
  tell("  " + std::string{wordnet_licence_path});
  auto reader = wordnet_reader::open(options_.wordnet_directory);
  if (!reader)
    return reader.error();
  progress bar{out_, terminal_, "  read WordNet", (*reader)->total_bytes(),
               progress_unit::bytes};
  auto read = read_corpus(**reader, [&](std::uint64_t bytes_read) {
    bar.update(bytes_read);
    return !interrupt_guard::requested();
  });
  if (!read)
    return read.error();
  corpus_ = std::move(*read);
  const auto& totals = (*reader)->totals();
  report_.synsets = totals.synsets;
  report_.words = totals.words;
  report_.senses = totals.senses;
  report_.pointers = totals.pointers;
  report_.pointer_kinds = totals.pointer_kinds.size();
  report_.entries = corpus_.entries.size();
  report_.bytes = corpus_.bytes();
  bar.finish(human_entries(report_.entries) + ", "
             + human_bytes(report_.bytes));
  tell(human_count(report_.synsets) + " synsets, " + human_count(report_.senses)
       + " senses, " + human_count(report_.pointers) + " pointers of "
       + std::to_string(report_.pointer_kinds) + " kinds, "
       + human_count(report_.words) + " words");
  return {};
}

expected<void> tour::start_cluster() {
  const std::string prefix{tour_prefix};
  // The segments, and some room for logs and what the system rounds up.
  const auto needed = tour_node_count * options_.segment_bytes * 9 / 8;
  auto parent = options_.directory.empty()
                  ? parent_with_space(needed)
                  : expected<std::string>{options_.directory};
  if (!parent)
    return parent.error();
  if (auto removed = remove_left_behind(*parent, prefix); removed > 0)
    tell("removed what " + std::to_string(removed) + " killed tour(s) left in "
         + *parent);
  auto scratch = scratch_directory::make(*parent, prefix);
  if (!scratch)
    return scratch.error();
  scratch_ = std::move(*scratch);
  if (options_.keep_files)
    scratch_->keep();
  local_cluster_options plan;
  plan.node_count = tour_node_count;
  plan.cluster_name = "tour";
  plan.program = options_.program;
  plan.directory = scratch_->path();
  plan.common.segment.segment_bytes = options_.segment_bytes;
  auto planned = local_cluster::plan(plan);
  if (!planned)
    return planned.error();
  cluster_ = std::move(*planned);
  const auto begun = clock::now();
  auto started =
    cluster_->start(node_start_timeout, interrupt_guard::requested);
  if (!started)
    return started;
  std::string ids;
  for (auto& node : cluster_->nodes())
    ids += (ids.empty() ? "" : ", ") + std::to_string(node.pid());
  tell("start " + std::to_string(tour_node_count) + " nodes: processes " + ids
       + " on 127.0.0.1, ready in " + human_duration(clock::now() - begun));
  tell("segments of " + human_bytes(options_.segment_bytes) + " in "
       + scratch_->path());
  return {};
}

// Three nodes that keep `space` on their disks, in the place of those before.
expected<void> tour::start_small_cluster(std::string name,
                                         config::namespace_options space,
                                         std::uint32_t may_be_cut_off) {
  auto stopped = cluster_->stop(small_stop_grace);
  if (!stopped)
    return stopped;
  local_cluster_options plan;
  plan.node_count = tour_node_count;
  plan.cluster_name = std::move(name);
  plan.program = options_.program;
  plan.may_be_cut_off = may_be_cut_off;
  plan.common.segment.segment_bytes = small_segment_bytes;
  plan.common.namespaces.push_back(std::move(space));
  // Where files are that outlive the machine's power, as a log must.
  const std::string prefix{"neuroplex-tour-log-"};
  const auto parent = options_.directory.empty()
                        ? std::filesystem::temp_directory_path().string()
                        : options_.directory;
  remove_left_behind(parent, prefix);
  auto disk = scratch_directory::make(parent, prefix);
  if (!disk)
    return disk.error();
  disk_ = std::move(*disk);
  if (options_.keep_files)
    disk_->keep();
  plan.directory = disk_->path();
  auto planned = local_cluster::plan(plan);
  if (!planned)
    return planned.error();
  cluster_.emplace(std::move(*planned));
  return cluster_->start(node_start_timeout, interrupt_guard::requested);
}

namespace {

// Gives out entries that are in memory already.
class corpus_reader final : public record_reader {
public:
  explicit corpus_reader(const corpus& from) : from_{from} {
  }

  expected<read_step> next(record& result) override {
    if (position_ == from_.entries.size())
      return read_step::end;
    result = from_.entries[position_++];
    return read_step::record;
  }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept override {
    return position_;
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept override {
    return from_.entries.size();
  }

private:
  const corpus& from_;
  std::size_t position_ = 0;
};

} // namespace

expected<void> tour::load() {
  auto door = open_door(0);
  if (!door)
    return door.error();
  progress bar{out_, terminal_, "  load through node 1", report_.entries};
  const auto begun = clock::now();
  corpus_reader reader{corpus_};
  loader carrier{[&door](std::span<memory::set_request> batch) {
                   return (*door)->set_many(batch);
                 },
                 {}};
  auto loaded = carrier.load(reader, [&bar](const load_report& so_far) {
    bar.update(so_far.entries);
    return !interrupt_guard::requested();
  });
  if (!loaded)
    return loaded.error();
  report_.load_seconds = seconds_since(begun);
  bar.finish(human_entries(loaded->entries) + " by messages");
  return {};
}

expected<void> tour::verify() {
  auto compared = compare_from_another_process();
  if (!compared)
    return compared;
  auto learnt = learn_owners();
  if (!learnt)
    return learnt;
  const auto begun = clock::now();
  compared = compare_by_messages();
  report_.message_read_seconds = seconds_since(begun);
  return compared;
}

expected<void> tour::measure() {
  auto measured = measure_segments();
  return measured ? measure_messages() : measured;
}

} // namespace neuroplex::cli
