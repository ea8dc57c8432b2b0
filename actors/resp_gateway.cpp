#include "actors/resp_gateway.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace neuroplex::actors {

namespace {

failure about_password(const failure& what) {
  return {what.code(), "resp.password_file: " + what.message()};
}

expected<resp::server_options>
server_options_of(const config::node_options& all, std::uint16_t port) {
  resp::server_options result;
  result.address = all.resp.host;
  result.port = port;
  result.service.max_clients = all.resp.max_clients;
  result.service.max_output_bytes = all.resp.output_limit_bytes;
  result.service.max_reply_bytes = std::max<std::uint64_t>(
    result.service.max_reply_bytes, all.resp.output_limit_bytes);
  result.max_buffered_bytes = std::max<std::uint64_t>(
    result.max_buffered_bytes, all.resp.output_limit_bytes);
  result.service.idle_timeout_ms = all.resp.idle_timeout_ms;
  result.service.node_name = all.cluster + "-" + std::to_string(all.replica_id);
  if (!all.resp.password_file.empty()) {
    auto password = config::read_secret(all.resp.password_file);
    if (!password)
      return about_password(password.error());
    if (password->size() > resp::bounds::max_password_bytes)
      return about_password(
        {errc::config, "a password of more than "
                         + std::to_string(resp::bounds::max_password_bytes)
                         + " bytes: give a shorter one"});
    result.service.password = std::move(*password);
  }
  return result;
}

// Adds what a server has counted.
void accumulate(gateway_report& sum, const resp::server_stats& part) {
  sum.connections_accepted += part.connections_accepted;
  sum.connections_refused += part.connections_refused;
  sum.accept_pauses += part.accept_pauses;
  sum.commands += part.commands;
  sum.failed_commands += part.failed_commands;
  sum.remote_commands += part.remote_commands;
  sum.protocol_errors += part.protocol_errors;
  sum.auth_failures += part.auth_failures;
  sum.slow_readers_closed += part.slow_readers_closed;
  sum.bytes_in += part.bytes_in;
  sum.bytes_out += part.bytes_out;
}

struct resp_gateway_state {
  // However the actor ends, the port is closed before others learn of it.
  ~resp_gateway_state() {
    if (gateway)
      gateway->close();
  }

  std::shared_ptr<resp_gateway> gateway; // set while it is open
  static inline const char* name = "resp_gateway";
};

resp_gateway_actor::behavior_type
gateway_actor(actor_pointer<resp_gateway_actor, resp_gateway_state> self,
              node_actor owner, const std::shared_ptr<resp_gateway>& gateway) {
  drop_unexpected(self);
  auto opened =
    gateway->open({.system = self->home_system(), .handle = std::move(owner)});
  if (opened)
    state_of(self).gateway = gateway;
  else
    self->quit(make_error(opened.error()));
  return {
    [gateway](stats_atom) { return gateway->report(); },
  };
}

} // namespace

resp_gateway::resp_gateway(
  memory::store& segment, placement::placement_ptr table,
  config::node_options options,
  std::function<std::vector<resp::info_line>()> upkeep_lines)
  : segment_{segment}, table_{std::move(table)}, options_{std::move(options)},
    upkeep_lines_{std::move(upkeep_lines)} {
}

resp_gateway::~resp_gateway() {
  close();
}

expected<void> resp_gateway::open(const node_access& here) {
  auto started = start(here);
  std::lock_guard guard{mutex_};
  was_tried_ = true;
  problem_.reset();
  if (!started)
    problem_ = started.error();
  tried_.notify_all();
  return started;
}

void resp_gateway::use(std::shared_ptr<agreement_access> agreement) {
  agreement_ = std::move(agreement);
}

void resp_gateway::use(std::shared_ptr<replica_access> replicas) {
  replicas_ = std::move(replicas);
}

// The lock is for what others may look at, and never held while something is
// waited for: whoever asks for a report must not wait for us.
expected<void> resp_gateway::start(const node_access& here) {
  auto known = port();
  auto options = server_options_of(
    options_, known != 0 ? known : options_.resp.port.bind_number());
  if (!options)
    return options.error();
  options->service.upkeep_lines = upkeep_lines_;
  std::unique_ptr<resp_cluster> cluster;
  if (table_->members().size() > 1) {
    auto made = resp_cluster::make({.node = here,
                                    .segment = segment_,
                                    .table = table_,
                                    .self = options_.replica_id,
                                    .request_ms = options_.timeouts.request_ms,
                                    .batch_keys = options_.limits.batch_keys});
    if (!made)
      return made.error();
    cluster = std::move(*made);
  }
  std::unique_ptr<resp_agreement> agreed;
  if (agreement_)
    agreed = std::make_unique<resp_agreement>(agreement_, cluster.get(),
                                              options_.timeouts.request_ms);
  auto* ways = agreed ? static_cast<resp::remote*>(agreed.get())
                      : static_cast<resp::remote*>(cluster.get());
  std::unique_ptr<resp_replicas> replicated;
  if (replicas_) {
    replicated = std::make_unique<resp_replicas>(replicas_, ways,
                                                 options_.timeouts.request_ms);
    ways = replicated.get();
  }
  auto server = resp::server::start(segment_, std::move(*options), ways);
  if (!server)
    return server.error();
  if (cluster)
    cluster->attach(**server);
  if (agreed)
    agreed->attach(**server);
  if (replicated)
    replicated->attach(**server);
  std::lock_guard guard{mutex_};
  server_ = std::move(*server);
  cluster_ = std::move(cluster);
  agreed_ = std::move(agreed);
  replicated_ = std::move(replicated);
  port_ = server_->port();
  ++past_.openings;
  return {};
}

void resp_gateway::close() noexcept {
  if (!server_)
    return;
  server_->stop();
  if (cluster_)
    cluster_->stop();
  if (agreed_)
    agreed_->stop();
  if (replicated_)
    replicated_->stop();
  std::unique_ptr<resp::server> server;
  {
    std::lock_guard guard{mutex_};
    accumulate(past_, server_->stats());
    server = std::move(server_);
  }
  server.reset();
  replicated_.reset();
  agreed_.reset();
  cluster_.reset();
}

expected<std::uint16_t>
resp_gateway::await_opening(milliseconds patience) const {
  std::unique_lock guard{mutex_};
  if (!tried_.wait_for(guard, patience, [this] { return was_tried_; }))
    return failure{errc::deadline, "the gateway for Redis clients did not "
                                   "open within "
                                     + std::to_string(patience.count())
                                     + " ms: is the machine overloaded?"};
  if (problem_)
    return *problem_;
  return port_;
}

std::uint16_t resp_gateway::port() const {
  std::lock_guard guard{mutex_};
  return port_;
}

gateway_report resp_gateway::report() const {
  std::lock_guard guard{mutex_};
  auto result = past_;
  result.enabled = true;
  result.open = server_ != nullptr;
  result.port = port_;
  if (problem_)
    result.problem = problem_->message();
  if (server_) {
    auto present = server_->stats();
    accumulate(result, present);
    result.connections_open = present.connections_open;
  }
  return result;
}

resp_gateway_actor spawn_resp_gateway(caf::actor_system& system,
                                      node_actor owner,
                                      std::shared_ptr<resp_gateway> gateway) {
  return spawn_apart(
    system, [owner = std::move(owner), gateway = std::move(gateway)](
              actor_pointer<resp_gateway_actor, resp_gateway_state> self) {
      return gateway_actor(self, owner, gateway);
    });
}

} // namespace neuroplex::actors
