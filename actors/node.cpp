#include "actors/node.hpp"

#include "actors/clock.hpp"
#include "actors/node_actor.hpp"
#include "actors/node_lock.hpp"
#include "actors/node_tunnel.hpp"
#include "actors/resp_gateway.hpp"
#include "actors/upkeep/info_lines.hpp"
#include "consensus/placement/hash_slots.hpp"
#include "memory/checked_open.hpp"

#include <caf/scoped_actor.hpp>

#include <mutex>
#include <random>
#include <utility>

namespace neuroplex::actors {

expected<placement::placement_ptr>
make_table(const config::node_options& options) {
  std::vector<placement::replica_id> members{options.replica_id};
  for (const auto& peer : options.peers)
    members.push_back(peer.replica_id);
  placement::placement_options how;
  how.shards = options.placement.shards;
  how.replication_factor = options.placement.replication_factor;
  switch (options.placement.load_balancing) {
    case config::balancing_strategy::least_loaded:
      how.balancing = placement::load_balancing::least_loaded;
  }
  switch (options.placement.strategy) {
    case config::placement_strategy::hash_slots: {
      auto table = placement::hash_slots::make(how, std::move(members));
      if (!table)
        return table.error();
      return placement::placement_ptr{std::move(*table)};
    }
  }
  return failure{errc::config, "placement.strategy: unknown"};
}

namespace {

// A name may mean two addresses. Our listeners, the tunnel in front of them and
// the clients must mean the same one.
void settle_host(std::string& host) {
  if (host == "localhost")
    host = "127.0.0.1";
}

start_report start_report_of(const memory::found_segment& found,
                             std::int64_t took_ms) {
  return {.made = found.made,
          .clean = found.report.clean,
          .power_lost = found.report.power_lost,
          .checked = found.checked,
          .entries = found.report.entries,
          .bytes = found.report.bytes,
          .dropped = found.report.corrupt + found.report.astray,
          .recovered_threads = found.report.recovered_threads,
          .took_ms = took_ms,
          .text = found.describe()};
}

} // namespace

class node::implementation {
public:
  implementation(config::node_options options, node_lock lock,
                 memory::store store, start_report found,
                 placement::placement_ptr table,
                 std::unique_ptr<node_tunnel> ends)
    : options_{std::move(options)}, lock_{std::move(lock)}, store_{std::move(
                                                              store)},
      found_{std::move(found)}, table_{std::move(table)}, tunnel_{std::move(
                                                            ends)},
      config_{{.worker_threads = options_.worker_threads,
               .heartbeat = milliseconds{options_.timeouts.heartbeat_ms},
               .connection_timeout =
                 milliseconds{options_.timeouts.connection_timeout_ms}}},
      system_{std::make_unique<caf::actor_system>(config_)} {
    if (options_.resp.port.enabled())
      gateway_ =
        std::make_shared<resp_gateway>(store_, table_, options_, [this] {
          return upkeep::info_lines(upkeep_->report());
        });
  }

  ~implementation() {
    stop();
  }

  expected<void> start(const replica_resolvers& resolvers) {
    if (auto begun = start_agreement(); !begun)
      return begun;
    if (auto begun = start_replicas(resolvers); !begun)
      return begun;
    auto concepts = concept_access::open(options_);
    if (!concepts)
      return concepts.error();
    concepts_ = std::move(*concepts);
    if (concepts_)
      concepts_->follow(replicas_);
    auto upkeep = upkeep::parts::make(store_, options_);
    if (!upkeep)
      return upkeep.error();
    upkeep_ = std::move(*upkeep);
    handle_ = spawn_node(*system_, setup());
    auto port = publish(*system_, handle_, options_.basp.host,
                        options_.basp.port.bind_number());
    if (!port)
      return port.error();
    basp_port_ = *port;
    if (auto opened = tunnel_->listen(basp_port_, agreement_port()); !opened)
      return opened;
    if (!gateway_)
      return {};
    auto opened =
      gateway_->await_opening(milliseconds{limits::gateway_start_ms});
    if (!opened)
      return opened.error();
    return {};
  }

  void stop() noexcept {
    if (!system_)
      return;
    if (basp_port_ != 0)
      unpublish(*system_, handle_, basp_port_);
    if (handle_)
      halt();
    handle_ = nullptr;
    tunnel_->stop();
    // Before the actors that it answers cannot be reached any more.
    if (agreement_)
      agreement_->host->stop();
    if (replicas_)
      replicas_->close();
    if (concepts_)
      concepts_->attach({});
    system_.reset();
    if (concepts_)
      close_concepts();
    agreement_.reset();
    if (upkeep_)
      upkeep_->close();
    store_.close();
  }

  expected<node_report> report() {
    if (!system_)
      return errc::closed;
    caf::scoped_actor self{*system_};
    expected<node_report> result{errc::unknown_outcome};
    ask(&*self, handle_, milliseconds{2 * options_.timeouts.request_ms},
        stats_atom_v)
      .receive([&](node_report& answer) { result = std::move(answer); },
               [&](const caf::error& error) {
                 result = failure{code_of(error), render(error)};
               });
    return result;
  }

  void fail(const std::string& reason) {
    std::lock_guard guard{failure_mutex_};
    failure_ = failure{errc::internal, reason};
  }

  std::optional<failure> failed() const {
    std::lock_guard guard{failure_mutex_};
    return failure_;
  }

private:
  friend class node;

  expected<void> start_agreement() {
    auto spaces = options_.agreed_namespaces();
    if (spaces.empty())
      return {};
    if (options_.agreement.protocol != config::agreement_protocol::raft)
      return start_byzantine(spaces);
    const auto& raft = options_.raft;
    agreement::host_options how;
    how.cluster = options_.cluster;
    how.self = options_.replica_id;
    how.members.push_back(options_.replica_id);
    for (const auto& peer : options_.peers)
      how.members.push_back(peer.replica_id);
    how.directory = options_.raft_path();
    how.listen_host = options_.basp.host;
    how.port = raft.port.bind_number();
    how.origins = tunnel_->origins();
    how.spaces = spaces;
    how.groups = raft.groups;
    how.election_timeout = milliseconds{raft.election_timeout_ms};
    how.heartbeat = milliseconds{raft.heartbeat_ms};
    how.lease_reads = raft.lease_reads;
    how.snapshot_after_bytes = raft.snapshot_after_bytes;
    how.seed = std::random_device{}();
    auto opened = agreement::host::open(how, store_);
    if (!opened)
      return opened.error();
    return use(std::make_shared<agreement_access>(
      std::move(*opened),
      std::set<std::string, std::less<>>{spaces.begin(), spaces.end()}));
  }

  expected<void> start_byzantine(const std::vector<std::string>& spaces) {
    byzantine::host_options how;
    how.cluster = options_.cluster;
    how.self = options_.replica_id;
    how.members.push_back(options_.replica_id);
    for (const auto& peer : options_.peers)
      how.members.push_back(peer.replica_id);
    how.how = options_.agreement.protocol == config::agreement_protocol::pbft
                ? agreement::protocol::pbft
                : agreement::protocol::hybrid;
    how.directory = options_.raft_path();
    how.listen_host = options_.basp.host;
    how.port = options_.raft.port.bind_number();
    how.origins = tunnel_->origins();
    how.spaces = spaces;
    how.patience = milliseconds{options_.raft.election_timeout_ms};
    how.heartbeat = milliseconds{options_.raft.heartbeat_ms};
    how.calm = milliseconds{options_.agreement.calm_ms};
    how.seed = std::random_device{}();
    auto opened = byzantine::host::open(how, store_);
    if (!opened)
      return opened.error();
    return use(std::make_shared<agreement_access>(
      std::move(*opened), how.how,
      std::set<std::string, std::less<>>{spaces.begin(), spaces.end()}));
  }

  expected<void> use(std::shared_ptr<agreement_access> agreement) {
    agreement_ = std::move(agreement);
    agreement_->host->start();
    // Without the tunnel each peer says where it listens when it is met.
    for (const auto& peer : tunnel_->dial_agreement())
      agreement_->host->set_peer(peer.replica_id, peer.host, peer.port);
    if (gateway_)
      gateway_->use(agreement_);
    return {};
  }

  // Where agreement listens on the local host; 0 without.
  [[nodiscard]] std::uint16_t agreement_port() const {
    return agreement_ ? agreement_->host->port() : std::uint16_t{0};
  }

  expected<void> start_replicas(const replica_resolvers& resolvers) {
    auto opened = replica_access::open(options_, resolvers);
    if (!opened)
      return opened.error();
    replicas_ = std::move(*opened);
    if (gateway_ && replicas_)
      gateway_->use(replicas_);
    return {};
  }

  node_setup setup() {
    node_setup result;
    const message_limits most{.batch_keys = options_.limits.batch_keys,
                              .message_bytes = options_.limits.message_bytes};
    result.us.cluster = options_.cluster;
    result.us.self = options_.replica_id;
    result.us.incarnation = lock_.incarnation();
    result.us.table = table_;
    result.us.bounds = {
      .message_bytes = most.message_bytes,
      .batch_keys = most.batch_keys,
      .frame_bytes =
        options_.tunnel.enabled ? options_.tunnel.max_frame_bytes : 0,
      .heartbeat_ms = options_.timeouts.heartbeat_ms,
      .connection_timeout_ms = options_.timeouts.connection_timeout_ms,
      .raft_port = agreement_port()};
    result.agreement = agreement_;
    result.replicas = replicas_;
    result.concepts = concepts_;
    if (!options_.tunnel.enabled)
      for (const auto& peer : options_.peers)
        result.peer_hosts[peer.replica_id] =
          peer.host == "localhost" ? "127.0.0.1" : peer.host;
    result.store = &store_;
    result.found = found_;
    for (placement::shard_index i = 0; i < table_->shard_count(); ++i)
      if (table_->owners_of(i).front() == options_.replica_id)
        result.shards.emplace_back(
          i, std::make_shared<shard_core>(store_, table_, i, most));
    result.whole = std::make_shared<shard_core>(store_, most);
    result.most = most;
    result.upkeep = upkeep_;
    result.gateway = gateway_;
    result.report_tunnel = [this] { return tunnel_->report(); };
    result.dial = tunnel_->dial();
    result.request_ms = options_.timeouts.request_ms;
    result.reconnect_ms = options_.timeouts.reconnect_ms;
    result.request_credit = options_.limits.request_credit;
    result.mailbox_messages = options_.limits.mailbox_messages;
    result.on_failure = [this](const std::string& reason) { fail(reason); };
    return result;
  }

  // Once nobody uses it any more. When the disk fails even then, there is
  // nobody left to tell but who asks `failed`.
  void close_concepts() noexcept {
    if (auto closed = concepts_->close(); !closed)
      fail("concept memory: " + closed.error().message());
  }

  // Waits until the node's actor is gone; kills it when that takes too long.
  void halt() noexcept {
    caf::scoped_actor self{*system_};
    self->monitor(handle_);
    tell_anonymously(handle_, halt_atom_v);
    auto patience = milliseconds{options_.timeouts.shutdown_ms};
    auto gone = false;
    self->receive([&](const caf::down_msg&) { gone = true; },
                  caf::after(patience) >> [] {});
    if (!gone)
      kill(handle_);
  }

  config::node_options options_;
  node_lock lock_;
  memory::store store_;
  start_report found_;
  placement::placement_ptr table_;
  std::unique_ptr<node_tunnel> tunnel_;
  std::shared_ptr<upkeep::parts> upkeep_;
  std::shared_ptr<agreement_access> agreement_; // null for none
  std::shared_ptr<replica_access> replicas_;    // null for none
  std::shared_ptr<concept_access> concepts_;    // null for none
  std::shared_ptr<resp_gateway> gateway_;       // null for none
  system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  node_actor handle_;
  std::uint16_t basp_port_ = 0;
  mutable std::mutex failure_mutex_;
  std::optional<failure> failure_;
};

expected<std::unique_ptr<node>>
node::start(config::node_options options, const replica_resolvers& resolvers) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  settle_host(options.basp.host);
  settle_host(options.resp.host);
  auto table = make_table(options);
  if (!table)
    return table.error();
  auto lock = node_lock::take(options.lock_path());
  if (!lock)
    return lock.error();
  auto began_ms = unix_ms();
  auto found =
    memory::open_or_create_checked(options.segment_path(), options.segment);
  if (!found)
    return found.error();
  auto report = start_report_of(*found, unix_ms() - began_ms);
  auto tunnel = node_tunnel::open(options, lock->incarnation());
  if (!tunnel)
    return tunnel.error();
  auto inside = std::make_unique<implementation>(
    std::move(options), std::move(*lock), std::move(found->segment),
    std::move(report), std::move(*table), std::move(*tunnel));
  if (auto started = inside->start(resolvers); !started)
    return started.error();
  return std::unique_ptr<node>{new node(std::move(inside))};
}

node::node(std::unique_ptr<implementation> inside)
  : inside_{std::move(inside)} {
}

node::~node() = default;

void node::stop() noexcept {
  inside_->stop();
}

const node_actor& node::handle() const noexcept {
  return inside_->handle_;
}

memory::store& node::store() noexcept {
  return inside_->store_;
}

const placement::placement_ptr& node::table() const noexcept {
  return inside_->table_;
}

const config::node_options& node::options() const noexcept {
  return inside_->options_;
}

caf::actor_system& node::system() noexcept {
  return *inside_->system_;
}

std::uint16_t node::basp_port() const noexcept {
  return inside_->basp_port_;
}

std::uint16_t node::tunnel_port() const noexcept {
  return inside_->tunnel_->port();
}

std::uint16_t node::resp_port() const noexcept {
  return inside_->gateway_ ? inside_->gateway_->port() : std::uint16_t{0};
}

std::uint64_t node::incarnation() const noexcept {
  return inside_->lock_.incarnation();
}

expected<node_report> node::report() {
  return inside_->report();
}

const start_report& node::found() const noexcept {
  return inside_->found_;
}

std::optional<failure> node::failed() const {
  return inside_->failed();
}

} // namespace neuroplex::actors
