#include "cli/commands/cluster.hpp"

#include "cli/cluster/local_cluster.hpp"
#include "cli/cluster/scratch_directory.hpp"
#include "cli/flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/table.hpp"
#include "config/namespace_values.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sys/stat.h>
#include <thread>
#include <vector>

namespace neuroplex::cli {

namespace {

constexpr std::chrono::milliseconds start_timeout{60'000};
constexpr std::chrono::milliseconds stop_grace{30'000};
constexpr const char* scratch_prefix = "neuroplex-cluster-";

struct cluster_arguments {
  std::uint64_t nodes = 3;
  std::uint64_t segment_bytes = limits::default_segment_bytes;
  std::string directory;
  std::string name = "local";
  std::vector<config::namespace_options> spaces;
  bool no_redis = false;
};

// Where the nodes live: the directory that was given, which stays, or a fresh
// one that goes with this object.
class home {
public:
  static expected<home> make(const cluster_arguments& given) {
    home result;
    if (!given.directory.empty()) {
      struct stat status {};
      if (::stat(given.directory.c_str(), &status) != 0)
        return path_failure(given.directory, errno);
      if (!S_ISDIR(status.st_mode))
        return path_failure(given.directory, ENOTDIR);
      result.path_ = given.directory;
      return result;
    }
    auto parent = parent_with_space(given.nodes * given.segment_bytes);
    if (!parent)
      return parent.error();
    remove_left_behind(*parent, scratch_prefix);
    auto scratch = scratch_directory::make(*parent, scratch_prefix);
    if (!scratch)
      return scratch.error();
    result.path_ = scratch->path();
    result.scratch_.emplace(std::move(*scratch));
    return result;
  }

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

  [[nodiscard]] bool stays() const noexcept {
    return !scratch_;
  }

private:
  static failure path_failure(const std::string& path, int error) {
    return {errc::bad_path, "--data-dir: " + config::quote(path, 256) + ": "
                              + std::strerror(error)
                              + ": expected a directory that we may write"};
  }

  std::string path_;
  std::optional<scratch_directory> scratch_;
};

std::string address_of(const std::string& host, config::listen_port port) {
  return port.enabled() ? host + ":" + to_string(port) : "off";
}

void print_text(context& ctx, local_cluster& running, const home& place) {
  table rows{{{"node", table::align::right},
              {"process", table::align::right},
              {"actors", table::align::left},
              {"redis", table::align::left},
              {"segment", table::align::left}}};
  for (auto& node : running.nodes()) {
    auto& options = node.options();
    rows.add_row({std::to_string(options.replica_id),
                  std::to_string(node.pid()),
                  address_of(options.basp.host, options.basp.port),
                  address_of(options.resp.host, options.resp.port),
                  options.segment_path()});
  }
  rows.print(ctx.out, ctx.terminal, 0);
  auto& first = running.nodes().front().options();
  ctx.out << "\nTry in another terminal:\n  neuroplex set greeting hello "
             "--node "
          << address_of(first.basp.host, first.basp.port) << '\n';
  if (first.resp.port.enabled())
    ctx.out << "  redis-cli -p " << to_string(first.resp.port)
            << " get greeting\n";
  ctx.out << "Ctrl-C ends all nodes"
          << (place.stays() ? "; their data stays in " + place.path()
                            : " and removes their data")
          << '.' << std::endl;
}

void print_json(context& ctx, local_cluster& running) {
  auto list = nlohmann::ordered_json::array();
  for (auto& node : running.nodes()) {
    auto& options = node.options();
    list.push_back({{"replica_id", options.replica_id},
                    {"process_id", node.pid()},
                    {"basp_port", options.basp.port.number},
                    {"resp_port", options.resp.port.number},
                    {"segment", options.segment_path()},
                    {"log", node.log_path()}});
  }
  ctx.out << nlohmann::ordered_json{{"nodes", list}}.dump(2) << std::endl;
}

// Waits for Ctrl-C; answers why it ended earlier.
outcome watch(context& ctx, local_cluster& running) {
  while (ctx.out && !interrupt_guard::requested()) {
    for (auto& node : running.nodes())
      if (!node.running())
        return failed(failure{
          errc::unavailable, "node " + std::to_string(node.options().replica_id)
                               + ": ended by itself: expected it to run; the "
                                 "end of its log: "
                               + node.log_tail(3, "")});
    std::this_thread::sleep_for(watch_interval);
  }
  return std::nullopt;
}

outcome run_cluster(context& ctx, const cluster_arguments& given) {
  interrupt_guard interrupts;
  auto place = home::make(given);
  if (!place)
    return failed(place.error());
  local_cluster_options options;
  options.node_count = static_cast<std::uint32_t>(given.nodes);
  options.cluster_name = given.name;
  options.program = ctx.program;
  options.directory = place->path();
  options.common.segment.segment_bytes = given.segment_bytes;
  options.common.namespaces = given.spaces;
  options.resp = !given.no_redis;
  auto running = local_cluster::plan(options);
  if (!running)
    return failed(running.error());
  if (auto started = running->start(
        start_timeout, [] { return interrupt_guard::requested(); });
      !started)
    return failed(started.error());
  if (ctx.output == output_format::json)
    print_json(ctx, *running);
  else
    print_text(ctx, *running, *place);
  auto result = watch(ctx, *running);
  if (!running->stop(stop_grace) && !result)
    return failed(failure{
      errc::internal, "cluster: a node did not end in time and was "
                      "killed: its segment is recovered at the next start"});
  if (!result && ctx.output == output_format::text && ctx.out)
    ctx.out << "stopped\n";
  return result;
}

} // namespace

void add_cluster(CLI::App& app, context& ctx) {
  auto given = std::make_shared<cluster_arguments>();
  auto& command = *app.add_subcommand(
    "cluster", "Run a cluster for development on this machine until Ctrl-C");
  add_output(command, ctx);
  add_number(command, "--nodes", given->nodes, 1, max_local_nodes,
             "Nodes, each a process [3]");
  add_size(command, "--segment-size", given->segment_bytes,
           limits::min_segment_bytes, limits::max_segment_bytes,
           "Size of each node's segment [64 MiB]");
  add_text(command, "--data-dir", given->directory,
           "Existing directory that keeps the data [a temporary one]")
    ->type_name("DIR");
  add_flag(command, "--space",
           "Namespaces of all nodes, such as ledger:consistency=linearizable, "
           "separated by commas [none]",
           problem::config,
           [given](const std::string& text) -> expected<void> {
             auto spaces = config::parse_namespaces(text);
             if (!spaces)
               return spaces.error();
             given->spaces = std::move(*spaces);
             return {};
           })
    ->type_name("NAMES");
  add_switch(command, "--no-redis", given->no_redis,
             "Do not serve Redis clients");
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] { return run_cluster(ctx, *given); };
  });
  add_examples(command, {"neuroplex cluster", "neuroplex cluster --nodes 5",
                         "neuroplex cluster --data-dir /var/tmp/cluster",
                         "neuroplex cluster --space "
                         "default:consistency=linearizable"});
}

} // namespace neuroplex::cli
