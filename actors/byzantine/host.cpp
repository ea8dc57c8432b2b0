#include "actors/byzantine/host.hpp"

#include "actors/agreement/errands.hpp"
#include "actors/agreement/inbox.hpp"
#include "actors/agreement/log_identity.hpp"
#include "actors/agreement/mesh.hpp"
#include "actors/byzantine/membership.hpp"
#include "actors/clock.hpp"
#include "consensus/pbft/codec.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace neuroplex::byzantine {

namespace {

using namespace std::chrono_literals;
using agreement::operator_answer;

constexpr auto report_interval = 20ms;
constexpr auto idle_before_vouching = 200ms;
constexpr auto pause_while_full = 100ms;

// Of the only group that there is.
constexpr pbft::group_id the_group = 1;

// Sequence numbers between two checkpoints, and in use at one time. A
// checkpoint writes down the whole state.
constexpr std::size_t checkpoint_interval = 256;
constexpr std::size_t window = 1'024;

std::size_t faults_of(std::size_t members) {
  return members == 0 ? 0 : (members - 1) / 3;
}

hybrid::options core_options(const host_options& all) {
  hybrid::options core;
  auto& group = core.agreement;
  group.group = the_group;
  group.id = all.self;
  group.replicas = all.members;
  std::sort(group.replicas.begin(), group.replicas.end());
  group.faults = faults_of(group.replicas.size());
  // A client waits for a third of it before it asks all replicas, and these
  // wait for the rest.
  group.request_timeout = all.patience * 2 / 3;
  group.longest_timeout = std::max<pbft::time>(8s, 4 * all.patience);
  group.resend_interval =
    std::min<pbft::time>(all.heartbeat, group.request_timeout / 2);
  group.checkpoint_interval = checkpoint_interval;
  group.window = window;
  group.max_operation_bytes = pbft::limits::max_operation_bytes;
  core.raft.election_timeout = all.patience;
  core.raft.heartbeat_interval = all.heartbeat;
  core.raft.max_payload_bytes = 2 * pbft::limits::max_operation_bytes;
  core.leader_timeout =
    std::max<pbft::time>(all.patience, 2 * group.resend_interval);
  core.votes_for_raft = all.how == agreement::protocol::hybrid;
  core.calm = all.calm;
  core.longest_calm = std::max<pbft::time>(core.longest_calm, core.calm);
  return core;
}

} // namespace

class host::implementation final : public agreement::mesh::owner {
public:
  implementation(const host_options& options, memory::store& store)
    : options_{options}, store_{store} {
  }

  ~implementation() override {
    stop();
  }

  expected<void> open();
  void start();
  void stop() noexcept;

  void post(agreement::inbox::task what) {
    if (inbox_.post(std::move(what)))
      mesh_->wake();
  }

  void submit(std::vector<agreement::wish> what) {
    if (inbox_.submit(std::move(what)))
      mesh_->wake();
  }

  void set_peer(raft::node_id peer, const std::string& address,
                std::uint16_t port) {
    post([this, peer, address, port] {
      mesh_->set_peer(peer, address, port, now_);
    });
  }

  void end_epoch(operator_answer done);

  [[nodiscard]] std::uint16_t port() const noexcept {
    return mesh_->port();
  }

  [[nodiscard]] const host_options& options() const noexcept {
    return options_;
  }

  [[nodiscard]] host_report report() const {
    std::lock_guard guard{report_mutex_};
    return report_;
  }

private:
  // What the disk has done with some writes.
  struct flushed {
    hybrid::write_id last = 0;
    expected<void> how{};
    replica_log::report totals{};
  };

  expected<void> open_directories();
  expected<void> begin();
  void run();
  void take_inbox();
  void take_turn();
  void send(const std::vector<pbft::packet>& packets);
  void write();
  void take_flushed(const flushed& what);
  [[nodiscard]] pbft::time next_deadline();
  void note_problem(std::string what);
  void publish_report();

  // As owner of the connections.
  [[nodiscard]] agreement::greeting greet() const override;
  bool agrees(const agreement::greeting& what) override;
  void heard(const agreement::greeting& what) override;

  void met(raft::node_id /*peer*/) override {
  }

  void lost(raft::node_id /*peer*/, bool /*ours*/) override {
  }

  void take(raft::node_id from, agreement::frame what) override;

  host_options options_;
  memory::store& store_;
  hybrid::options core_;
  std::vector<std::string> problems_;

  std::unique_ptr<memory::disk_directory> state_directory_;
  std::unique_ptr<memory::disk_directory> checkpoints_;
  std::optional<membership> members_;
  std::optional<hybrid::durable_state> recovered_; // until it is begun with
  std::unique_ptr<agreement::mesh> mesh_;
  std::unique_ptr<member> part_; // once the nodes have met

  pbft::time now_{};
  std::int64_t unix_ms_ = 0;
  pbft::time next_report_{};
  member_output output_;
  std::vector<agreement::wish> early_; // came before the nodes had met

  std::unique_ptr<replica_log> log_; // of the disk's thread, while it is busy
  std::vector<hybrid::disk_write> unwritten_;
  bool disk_busy_ = false;
  bool disk_failed_ = false;
  bool vouched_ = true;
  pbft::time written_at_{};
  replica_log::report log_totals_{};
  std::atomic<bool> log_full_{false};

  agreement::inbox inbox_;
  mutable std::mutex report_mutex_;
  host_report report_; // under report_mutex_

  std::atomic<bool> stopping_{false};
  std::unique_ptr<agreement::errands> disk_;
  std::thread thread_;
};

// -- start and end ------------------------------------------------------------

expected<void> host::implementation::open_directories() {
  auto base = memory::open_disk_directory(options_.directory, true, "raft");
  if (!base)
    return base.error();
  auto state =
    memory::open_disk_directory(options_.directory + "/state", true, "raft");
  if (!state)
    return state.error();
  state_directory_ = std::move(*state);
  if (auto locked = state_directory_->lock(); !locked)
    return locked;
  auto second =
    memory::open_disk_directory(options_.directory + "/state", false, "raft");
  if (!second)
    return second.error();
  checkpoints_ = std::move(*second);
  return {};
}

expected<void> host::implementation::open() {
  core_ = core_options(options_);
  if (auto valid = core_.validate(); !valid)
    return valid;
  if (auto opened = open_directories(); !opened)
    return opened;
  auto members = membership::open(*state_directory_, options_.self,
                                  core_.agreement.replicas);
  if (!members)
    return members.error();
  members_.emplace(std::move(*members));
  auto where = memory::open_disk_directory(options_.directory + "/log", true,
                                           "agreement log");
  if (!where)
    return where.error();
  auto log = replica_log::open(
    std::move(*where), *checkpoints_,
    agreement::log_identity_of(options_.cluster, options_.self),
    {.segment_bytes = options_.segment_bytes, .seed = options_.seed});
  if (!log)
    return log.error();
  log_ = std::move(log->log);
  recovered_ = std::move(log->state);
  agreement::mesh_options links;
  links.cluster = options_.cluster;
  links.self = options_.self;
  links.peers = core_.agreement.replicas;
  links.listen_host = options_.listen_host;
  links.port = options_.port;
  links.origins = options_.origins;
  auto opened = agreement::mesh::open(links, *this);
  if (!opened)
    return opened.error();
  mesh_ = std::move(*opened);
  now_ = agreement::mesh::now();
  if (members_->complete())
    if (auto begun = begin(); !begun)
      return begun;
  publish_report();
  return {};
}

expected<void> host::implementation::begin() {
  auto keys = members_->crypto();
  if (!keys)
    return keys.error();
  if (auto emptied = store_machine::machine::empty(store_, options_.spaces);
      !emptied)
    return emptied;
  auto first = static_cast<pbft::timestamp>(
    std::chrono::system_clock::now().time_since_epoch().count());
  auto made = member::open({.core = core_, .spaces = options_.spaces}, store_,
                           *keys, std::move(*recovered_), first, now_);
  if (!made)
    return made.error();
  recovered_.reset();
  part_ = std::move(*made);
  for (auto& one : std::exchange(early_, {}))
    part_->add(std::move(one));
  return {};
}

void host::implementation::start() {
  disk_ = std::make_unique<agreement::errands>();
  thread_ = std::thread{[this] { run(); }};
}

void host::implementation::stop() noexcept {
  stopping_.store(true);
  if (!thread_.joinable())
    return;
  mesh_->wake();
  thread_.join();
  disk_.reset();
  if (!vouched_ && !disk_failed_)
    static_cast<void>(log_->vouch());
  auto left = inbox_.take();
  std::move(left.wishes.begin(), left.wishes.end(), std::back_inserter(early_));
  for (auto& one : std::exchange(early_, {}))
    one.done({errc::unavailable, {}});
  if (part_)
    part_->give_up();
}

// -- the loop -----------------------------------------------------------------

void host::implementation::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    mesh_->wait(next_deadline());
    now_ = agreement::mesh::now();
    unix_ms_ = actors::unix_ms();
    mesh_->take_arrived(now_);
    take_inbox();
    take_turn();
    mesh_->connect(now_);
    mesh_->send_all(now_);
    if (now_ >= next_report_) {
      mesh_->drop_silent(now_);
      publish_report();
    }
  }
}

pbft::time host::implementation::next_deadline() {
  auto next = std::min(next_report_, mesh_->next_attempt());
  if (part_)
    next = std::min(next, part_->next_deadline(now_, unix_ms_));
  return next;
}

void host::implementation::take_inbox() {
  auto came = inbox_.take();
  for (auto& task : came.tasks)
    task();
  for (auto& one : came.wishes) {
    if (part_)
      part_->add(std::move(one));
    else
      early_.push_back(std::move(one));
  }
}

void host::implementation::take_turn() {
  if (!part_) {
    for (auto& one : early_)
      if (one.deadline <= now_)
        std::exchange(one.done, {})({errc::unavailable, {}});
    std::erase_if(early_, [](const auto& one) { return !one.done; });
    return;
  }
  output_.clear();
  part_->turn(now_, unix_ms_, output_);
  send(output_.packets);
  std::move(output_.writes.begin(), output_.writes.end(),
            std::back_inserter(unwritten_));
  write();
}

void host::implementation::send(const std::vector<pbft::packet>& packets) {
  for (const auto& one : packets)
    if (auto* to = mesh_->output_to(node_of(one.to)))
      agreement::append_packet_frame(
        one.to, one.bytes.view(),
        {reinterpret_cast<const char*>(one.tag.bytes.data()),
         one.tag.bytes.size()},
        *to);
}

// -- the disk -----------------------------------------------------------------

// One flush at a time, of all that gathered while the last one ran.
void host::implementation::write() {
  if (disk_busy_ || disk_failed_)
    return;
  auto idle = unwritten_.empty();
  if (idle && (vouched_ || now_ < written_at_ + idle_before_vouching))
    return;
  disk_busy_ = true;
  vouched_ = idle;
  disk_->run([this, writes = std::exchange(unwritten_, {})] {
    flushed done;
    auto patience = [this] {
      log_full_.store(true);
      std::this_thread::sleep_for(pause_while_full);
      return !stopping_.load();
    };
    if (writes.empty()) {
      done.how = log_->vouch();
    } else {
      done.how = log_->write(writes, patience);
      done.last = writes.back().id;
    }
    log_full_.store(false);
    done.totals = log_->totals();
    post([this, done] { take_flushed(done); });
  });
}

void host::implementation::take_flushed(const flushed& what) {
  disk_busy_ = false;
  written_at_ = now_;
  log_totals_ = what.totals;
  if (!what.how) {
    disk_failed_ = true;
    part_->disk_failed(what.how.error().message(), now_);
  } else if (what.last != 0) {
    part_->written(what.last, now_);
  }
}

// -- peers --------------------------------------------------------------------

agreement::greeting host::implementation::greet() const {
  const auto& key = members_->own_key();
  agreement::greeting what;
  what.how = options_.how;
  what.key = {reinterpret_cast<const char*>(key.bytes.data()),
              key.bytes.size()};
  return what;
}

bool host::implementation::agrees(const agreement::greeting& what) {
  if (what.how != options_.how) {
    note_problem(agreement::other_protocol(what.from, what.how, options_.how));
    return false;
  }
  auto known = members_->heard(what.from, what.key);
  if (!known)
    note_problem(known.error().message());
  return static_cast<bool>(known);
}

void host::implementation::heard(const agreement::greeting& /*what*/) {
  auto settled = members_->settle();
  if (settled && !*settled)
    return;
  auto begun = settled ? begin() : expected<void>{settled.error()};
  if (!begun)
    note_problem(begun.error().message());
}

// Who sent it is shown by its tag, whatever connection it came on.
void host::implementation::take(raft::node_id /*from*/, agreement::frame what) {
  auto* sent = std::get_if<agreement::packet_frame>(&what);
  if (sent == nullptr || !part_)
    return;
  auto packet = pbft::split_packet(sent->packet);
  if (!packet)
    return;
  packet->to = sent->to;
  part_->receive(*packet, now_);
}

void host::implementation::end_epoch(operator_answer done) {
  post([this, done = std::move(done)] {
    if (!part_)
      return done(failure{errc::unavailable,
                          "agreement: the members have not all met yet"});
    if (part_->status().core.where.how != hybrid::mode::raft)
      return done({});
    part_->end_epoch(now_);
    done({});
  });
}

// -- what is told -------------------------------------------------------------

void host::implementation::note_problem(std::string what) {
  constexpr std::size_t most_problems = 16;
  if (problems_.size() < most_problems
      && std::find(problems_.begin(), problems_.end(), what) == problems_.end())
    problems_.push_back(std::move(what));
}

void host::implementation::publish_report() {
  next_report_ = now_ + report_interval;
  std::lock_guard guard{report_mutex_};
  report_.formed = part_ != nullptr;
  if (part_)
    report_.member = part_->status();
  report_.peers.clear();
  for (auto id : core_.agreement.replicas)
    if (id != options_.self)
      report_.peers.push_back({id, mesh_->reaches(id), mesh_->hears(id), 0});
  report_.fingerprint = fingerprint(members_->own_key());
  report_.faults = core_.agreement.faults;
  report_.log = log_totals_;
  report_.log_full = log_full_.load();
  report_.refused_connections = mesh_->refused();
  report_.problems = problems_;
}

// -- the host -----------------------------------------------------------------

host::host(std::unique_ptr<implementation> inside)
  : inside_{std::move(inside)} {
}

host::~host() = default;

expected<std::unique_ptr<host>> host::open(const host_options& options,
                                           memory::store& store) {
  auto inside = std::make_unique<implementation>(options, store);
  if (auto opened = inside->open(); !opened)
    return opened.error();
  return std::unique_ptr<host>{new host(std::move(inside))};
}

void host::start() {
  inside_->start();
}

void host::stop() noexcept {
  inside_->stop();
}

std::uint16_t host::port() const noexcept {
  return inside_->port();
}

void host::set_peer(raft::node_id peer, const std::string& address,
                    std::uint16_t port) {
  inside_->set_peer(peer, address, port);
}

agreement::group_id host::group_of(std::string_view /*key*/) const noexcept {
  return agreement::first_group;
}

void host::submit(std::vector<agreement::wish> what) {
  inside_->submit(std::move(what));
}

// Of the quorum that committed it, beside one.
std::size_t host::other_copies() const {
  const auto& all = inside_->options();
  return pbft::quorum_of(all.members.size(), faults_of(all.members.size())) - 1;
}

void host::operate(const std::string& wish, raft::node_id /*node*/,
                   agreement::group_id /*group*/, operator_answer done) {
  if (wish == "pbft" && inside_->options().how == agreement::protocol::hybrid)
    return inside_->end_epoch(std::move(done));
  done(failure{
    errc::bad_argument,
    "agreement: \"" + wish + "\" is not offered with "
      + std::string{agreement::protocol_name(inside_->options().how)}
      + ": members are fixed, and who leads follows from the protocol"});
}

host_report host::report() const {
  return inside_->report();
}

} // namespace neuroplex::byzantine
