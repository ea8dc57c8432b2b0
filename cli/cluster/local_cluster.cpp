#include "cli/cluster/local_cluster.hpp"

#include <filesystem>

namespace neuroplex::cli {

expected<local_cluster>
local_cluster::plan(const local_cluster_options& options) {
  if (options.node_count == 0 || options.node_count > max_local_nodes)
    return failure{errc::bad_argument, std::to_string(options.node_count)
                                         + " nodes: give 1 to "
                                         + std::to_string(max_local_nodes)};
  const std::size_t ports_per_node = options.resp ? 2 : 1;
  std::vector<reserved_port> ports;
  while (ports.size() < options.node_count * ports_per_node) {
    auto port = reserved_port::make();
    if (!port)
      return port.error();
    ports.push_back(std::move(*port));
  }
  std::unique_ptr<cuttable_links> links;
  if (options.may_be_cut_off != 0) {
    std::vector<std::uint16_t> targets;
    for (std::uint32_t id = 1; id <= options.node_count; ++id)
      targets.push_back(ports[id - 1].number());
    auto started = cuttable_links::start(targets);
    if (!started)
      return started.error();
    links = std::move(*started);
  }
  auto port_between = [&](std::uint32_t from, std::uint32_t to) {
    return from == options.may_be_cut_off || to == options.may_be_cut_off
             ? links->port_to(to - 1)
             : ports[to - 1].number();
  };
  std::vector<node_process> nodes;
  for (std::uint32_t id = 1; id <= options.node_count; ++id) {
    auto node = options.common;
    node.replica_id = id;
    node.cluster = options.cluster_name;
    node.data_dir =
      (std::filesystem::path{options.directory} / ("n" + std::to_string(id)))
        .string();
    node.basp.host = "127.0.0.1";
    node.basp.port = config::listen_port::at(ports[id - 1].number());
    node.resp.port =
      options.resp
        ? config::listen_port::at(ports[options.node_count + id - 1].number())
        : config::listen_port::none();
    node.timeouts.request_ms = local_patience_ms;
    node.timeouts.connection_timeout_ms = local_patience_ms;
    node.peers.clear();
    for (std::uint32_t peer = 1; peer <= options.node_count; ++peer)
      if (peer != id)
        node.peers.push_back({peer, "127.0.0.1", port_between(id, peer)});
    auto valid = node.validate();
    if (!valid)
      return valid.error();
    nodes.emplace_back(options.program, std::move(node));
  }
  return local_cluster{std::move(ports), std::move(links), std::move(nodes)};
}

expected<void> local_cluster::start(std::chrono::milliseconds timeout,
                                    const std::function<bool()>& give_up) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (auto& node : nodes_) {
    auto started = node.start();
    if (!started)
      return started;
  }
  for (auto& node : nodes_) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
    auto ready = node.wait_ready(left, give_up);
    if (!ready)
      return ready;
  }
  return {};
}

expected<void> local_cluster::stop(std::chrono::milliseconds grace) {
  constexpr std::size_t told_log_lines = 5;
  std::vector<node_process*> asked;
  for (auto& node : nodes_) {
    if (!node.running())
      continue;
    node.ask_to_stop();
    asked.push_back(&node);
  }
  expected<void> result;
  for (auto* node : asked) {
    const auto ended = node->stop(grace);
    if (!ended.ok() && result)
      result =
        failure{errc::internal,
                "node " + std::to_string(node->options().replica_id)
                  + " did not stop cleanly when asked (" + ended.to_string()
                  + "); the end of " + node->log_path() + ":\n"
                  + node->log_tail(told_log_lines, "  ")};
  }
  return result;
}

} // namespace neuroplex::cli
