#include "config/node_options.hpp"

#include <array>

namespace neuroplex::config {

std::string_view to_string(log_level value) noexcept {
  switch (value) {
    case log_level::error:
      return "error";
    case log_level::warning:
      return "warning";
    case log_level::info:
      return "info";
    case log_level::debug:
      return "debug";
  }
  return "invalid";
}

std::string_view to_string(placement_strategy value) noexcept {
  switch (value) {
    case placement_strategy::hash_slots:
      return "hash_slots";
  }
  return "invalid";
}

std::string_view to_string(balancing_strategy value) noexcept {
  switch (value) {
    case balancing_strategy::least_loaded:
      return "least_loaded";
  }
  return "invalid";
}

std::string_view to_string(gc_strategy value) noexcept {
  switch (value) {
    case gc_strategy::adaptive:
      return "adaptive";
    case gc_strategy::incremental:
      return "incremental";
    case gc_strategy::lazy:
      return "lazy";
    case gc_strategy::manual:
      return "manual";
  }
  return "invalid";
}

std::string_view to_string(agreement_protocol value) noexcept {
  switch (value) {
    case agreement_protocol::raft:
      return "raft";
    case agreement_protocol::pbft:
      return "pbft";
    case agreement_protocol::hybrid:
      return "hybrid";
  }
  return "invalid";
}

std::string_view to_string(optimizer_mode value) noexcept {
  switch (value) {
    case optimizer_mode::off:
      return "off";
    case optimizer_mode::advise:
      return "advise";
    case optimizer_mode::apply:
      return "apply";
  }
  return "invalid";
}

std::string_view to_string(consistency_level value) noexcept {
  switch (value) {
    case consistency_level::single_copy:
      return "single_copy";
    case consistency_level::sequential:
      return "sequential";
    case consistency_level::linearizable:
      return "linearizable";
    case consistency_level::eventual:
      return "eventual";
    case consistency_level::causal:
      return "causal";
    case consistency_level::bounded_staleness:
      return "bounded_staleness";
  }
  return "invalid";
}

std::string_view to_string(stale_read value) noexcept {
  switch (value) {
    case stale_read::wait:
      return "wait";
    case stale_read::forward:
      return "forward";
    case stale_read::refuse:
      return "refuse";
  }
  return "invalid";
}

std::string_view to_string(concurrent_writes value) noexcept {
  return value == concurrent_writes::last ? "last" : "all";
}

std::string_view to_string(concept_preset value) noexcept {
  switch (value) {
    case concept_preset::balanced:
      return "balanced";
    case concept_preset::write_throughput:
      return "write_throughput";
    case concept_preset::read_latency:
      return "read_latency";
    case concept_preset::small_memory:
      return "small_memory";
  }
  return "invalid";
}

std::string_view to_string(concept_overflow value) noexcept {
  switch (value) {
    case concept_overflow::spill:
      return "spill";
    case concept_overflow::drop_oldest:
      return "drop_oldest";
    case concept_overflow::reject:
      return "reject";
    case concept_overflow::block:
      return "block";
  }
  return "invalid";
}

std::string_view to_string(concept_durability value) noexcept {
  return value == concept_durability::none ? "none" : "log";
}

std::string_view to_string(concept_replication value) noexcept {
  return value == concept_replication::none ? "none" : "replicas";
}

std::string to_string(listen_port value) {
  switch (value.mode) {
    case listen_port::kind::off:
      return "off";
    case listen_port::kind::automatic:
      return "auto";
    case listen_port::kind::fixed:
      return std::to_string(value.number);
  }
  return "invalid";
}

namespace {

// Parses four decimal numbers of at most three digits, as inet_pton does.
bool parse_ipv4(std::string_view text, std::array<int, 4>& octets) noexcept {
  std::size_t at = 0;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (i > 0 && (at == text.size() || text[at++] != '.'))
      return false;
    auto begin = at;
    auto number = 0;
    while (at < text.size() && at - begin < 3 && text[at] >= '0'
           && text[at] <= '9')
      number = number * 10 + (text[at++] - '0');
    if (at == begin || number > 255)
      return false;
    octets[i] = number;
  }
  return at == text.size();
}

} // namespace

bool is_loopback(std::string_view host) noexcept {
  if (host == "localhost" || host == "::1")
    return true;
  std::array<int, 4> octets{};
  return parse_ipv4(host, octets) && octets[0] == 127;
}

node_options node_options::of_server() {
  node_options result;
  result.basp.port = listen_port::at(default_basp_port);
  result.resp.port = listen_port::at(default_resp_port);
  return result;
}

std::string node_options::segment_path() const {
  if (!data_dir.empty())
    return data_dir + "/segment";
  return "/dev/shm/neuroplex-" + cluster + "-" + std::to_string(replica_id);
}

std::string node_options::raft_path() const {
  if (!raft.directory.empty() || data_dir.empty())
    return raft.directory;
  return data_dir + "/raft";
}

std::string node_options::replica_path() const {
  return data_dir.empty() ? std::string{} : data_dir + "/replicas";
}

std::string node_options::concept_path() const {
  if (!concepts.directory.empty() || data_dir.empty())
    return concepts.directory;
  return data_dir + "/concepts";
}

std::vector<std::string> node_options::agreed_namespaces() const {
  std::vector<std::string> names;
  for (const auto& each : namespaces)
    if (each.agreed())
      names.push_back(each.name);
  return names;
}

std::string node_options::lock_path() const {
  if (!data_dir.empty())
    return data_dir + "/lock";
  return segment_path() + ".lock";
}

} // namespace neuroplex::config
