#include "actors/agreement/host.hpp"

#include "actors/agreement/host_implementation.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

constexpr auto report_interval = 20ms;

raft::time monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::int64_t unix_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

std::array<std::uint8_t, 16> cluster_mark(const std::string& name) {
  auto hash = XXH3_128bits(name.data(), name.size());
  std::array<std::uint8_t, 16> mark{};
  for (std::size_t i = 0; i < 8; ++i) {
    mark[i] = static_cast<std::uint8_t>(hash.low64 >> (8 * i));
    mark[8 + i] = static_cast<std::uint8_t>(hash.high64 >> (8 * i));
  }
  return mark;
}

} // namespace

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
  errand_directory_ = std::move(*second);
  return {};
}

expected<void> host::implementation::open() {
  if (auto opened = open_directories(); !opened)
    return opened;
  auto fresh = static_cast<raft::incarnation_number>(
    std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch())
      .count());
  auto formed =
    formation::open(*state_directory_, options_.self, options_.members, fresh);
  if (!formed)
    return formed.error();
  formation_ = std::move(*formed);
  auto where =
    memory::open_disk_directory(options_.directory + "/log", true, "raft log");
  if (!where)
    return where.error();
  auto log = log_writer::open(
    std::move(*where), {cluster_mark(options_.cluster), options_.self},
    {.segment_bytes = options_.segment_bytes, .seed = options_.seed});
  if (!log)
    return log.error();
  if (log->met.cut_bytes > 0)
    problems_.push_back("the log ended in a write that had not become durable: "
                        + std::to_string(log->met.cut_bytes)
                        + " bytes were cut off");
  writer_ = std::move(log->writer);
  if (auto found = log->groups.find(first_group); found != log->groups.end()) {
    recovered_ = std::move(found->second);
  }
  now_ = monotonic_now();
  // A node without others has met them all.
  if (auto begun = formation_->begin(*state_directory_); !begun)
    return begun.error();
  if (formation_->first())
    if (auto begun = begin_group(); !begun)
      return begun;
  auto addresses = tunnel::resolve(options_.listen_host, options_.port, true);
  if (!addresses)
    return addresses.error();
  auto listener = tunnel::listen_on(addresses->front());
  if (!listener)
    return listener.error();
  listener_ = std::move(*listener);
  port_ = tunnel::local_port(listener_.get());
  epoll_ = tunnel::socket_handle{::epoll_create1(EPOLL_CLOEXEC)};
  wake_ = tunnel::socket_handle{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!epoll_.valid() || !wake_.valid())
    return failure{errc::too_many, "raft: no file descriptor is left: raise "
                                   "the limit (ulimit -n)"};
  watch(wake_.get(), token(source::wake, 0), false);
  watch(listener_.get(), token(source::listener, 0), false);
  publish_report();
  return {};
}

expected<void> host::implementation::begin_group() {
  auto files = snapshot_files::open(*state_directory_, first_group, problems_);
  if (!files)
    return files.error();
  group::options settings;
  settings.id = first_group;
  settings.spaces = options_.spaces;
  settings.snapshot_after_bytes = options_.snapshot_after_bytes;
  settings.raft.id = options_.self;
  settings.raft.incarnation = formation_->incarnation();
  settings.raft.seed = options_.seed;
  settings.raft.election_timeout = options_.election_timeout;
  settings.raft.heartbeat_interval = options_.heartbeat;
  settings.raft.lease_reads = options_.lease_reads;
  settings.raft.max_payload_bytes =
    store_machine::limits::max_batch_bytes + 65'536;
  auto state = std::exchange(recovered_, {});
  // Whose disk was lost is not one of the first members, but his number is.
  const raft::member us{options_.self, formation_->incarnation()};
  const auto& first = formation_->first()->voters;
  if (std::find(first.begin(), first.end(), us) != first.end())
    state.snapshot.members = *formation_->first();
  auto made =
    group::open(settings, store_, std::move(*files), std::move(state), now_);
  if (!made)
    return made.error();
  group_ = std::move(*made);
  return {};
}

void host::implementation::start() {
  auto wake = [this] {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof(one)));
  };
  writer_->start(wake);
  errands_ = std::make_unique<errands>();
  thread_ = std::thread{[this] { run(); }};
}

void host::implementation::stop() noexcept {
  stopping_.store(true);
  if (!thread_.joinable())
    return;
  post([] {});
  thread_.join();
  errands_.reset();
  if (writer_)
    writer_->stop();
  take_inbox();
  requester_.give_up();
}

// -- from other threads -------------------------------------------------------

void host::implementation::post(std::function<void()> task) {
  auto tell = false;
  {
    std::lock_guard guard{inbox_mutex_};
    tasks_.push_back(std::move(task));
    tell = !std::exchange(awake_, true);
  }
  if (tell) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof(one)));
  }
}

void host::implementation::submit(std::vector<wish> what) {
  auto tell = false;
  {
    std::lock_guard guard{inbox_mutex_};
    std::move(what.begin(), what.end(), std::back_inserter(wishes_));
    tell = !std::exchange(awake_, true);
  }
  if (tell) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof(one)));
  }
}

void host::implementation::set_peer(raft::node_id id,
                                    const std::string& address,
                                    std::uint16_t port) {
  post([this, id, address, port] {
    auto found = peers_.find(id);
    if (found == peers_.end())
      return;
    auto& known = found->second;
    if (known.address == address && known.port == port)
      return;
    known.address = address;
    known.port = port;
    known.next_attempt = now_;
    if (known.link.open())
      drop(known);
  });
}

void host::implementation::with_group(
  operator_answer done,
  const std::function<void(group&, operator_answer)>& use) {
  post([this, done = std::move(done), use] {
    if (group_)
      use(*group_, done);
    else
      done(failure{errc::unavailable,
                   "raft: the first members have not all met yet"});
  });
}

void host::implementation::add_member(raft::node_id who, operator_answer done) {
  with_group(std::move(done), [this, who](group& one, operator_answer tell) {
    auto found = peers_.find(who);
    if (found == peers_.end() || found->second.incarnation == 0)
      return tell(failure{errc::unavailable,
                          "raft: node " + std::to_string(who)
                            + " has not been met: is it among the peers, and "
                              "running?"});
    const raft::member disk{who, found->second.incarnation};
    const auto& members = one.status().core.members;
    auto learns = raft::find_member(members.learners, who) != nullptr;
    std::vector<raft::member_change> changes;
    if (const auto* old = raft::find_member(members.voters, who);
        old != nullptr && *old != disk)
      changes.push_back({raft::change_kind::remove, who, old->incarnation});
    changes.push_back(
      {learns ? raft::change_kind::add_voter : raft::change_kind::add_learner,
       who, disk.incarnation});
    one.change(std::move(changes), std::move(tell), now_);
  });
}

void host::implementation::remove_member(raft::node_id who,
                                         operator_answer done) {
  with_group(std::move(done), [this, who](group& one, operator_answer tell) {
    one.change({{raft::change_kind::remove, who, 0}}, std::move(tell), now_);
  });
}

// -- the loop -----------------------------------------------------------------

void host::implementation::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    wait();
    now_ = monotonic_now();
    take_inbox();
    take_written();
    requester_.tick(now_);
    note_leader();
    send_requests();
    turn();
    connect_peers();
    send_all();
    if (now_ >= next_report_) {
      drop_silent();
      publish_report();
    }
  }
}

raft::time host::implementation::next_deadline() const {
  auto next = std::min(next_report_, requester_.next_deadline());
  if (group_)
    next = std::min(next, group_->next_deadline(now_, unix_now_ms()));
  for (const auto& [id, one] : peers_)
    if (one.port != 0 && !one.link.open())
      next = std::min(next, one.next_attempt);
  return next;
}

void host::implementation::wait() {
  std::array<epoll_event, 64> events;
  auto left = next_deadline() - monotonic_now();
  auto patience = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  if (again_ || patience < 0)
    patience = 0;
  again_ = false;
  auto count =
    ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                 static_cast<int>(std::min<std::int64_t>(patience, 1'000)));
  now_ = monotonic_now();
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    auto number = event.data.u64 & ((std::uint64_t{1} << 56) - 1);
    switch (static_cast<source>(event.data.u64 >> 56)) {
      case source::wake: {
        std::uint64_t ignored = 0;
        static_cast<void>(::read(wake_.get(), &ignored, sizeof(ignored)));
        break;
      }
      case source::listener:
        accept_all();
        break;
      case source::to_peer:
        on_peer(peers_.at(number), event.events);
        break;
      case source::from_peer:
        on_incoming(number, event.events);
        break;
    }
  }
}

void host::implementation::take_inbox() {
  std::vector<wish> wishes;
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard guard{inbox_mutex_};
    wishes.swap(wishes_);
    tasks.swap(tasks_);
    awake_ = false;
  }
  for (auto& task : tasks)
    task();
  for (auto& one : wishes)
    requester_.add(std::move(one));
}

void host::implementation::take_written() {
  written_.clear();
  auto healthy = writer_->collect(written_);
  if (!group_)
    return;
  for (const auto& one : written_)
    group_->written(one.write, now_);
  if (!healthy && !std::exchange(log_failed_, true))
    group_->disk_failed(writer_->state().problem, now_);
}

void host::implementation::note_leader() {
  auto leader = group_ ? group_->leader() : raft::nobody;
  if (leader == options_.self)
    return requester_.set_leader(leader, true, group_->term());
  auto found = peers_.find(leader);
  if (found == peers_.end())
    return requester_.set_leader(leader, false, 0);
  const auto& one = found->second;
  requester_.set_leader(leader, one.greeted && one.incoming != 0, one.meetings);
}

void host::implementation::send_requests() {
  requests_.clear();
  requester_.requests(requests_, now_);
  auto leader = requester_.leader();
  if (leader == options_.self) {
    for (auto& one : requests_)
      group_->request(leader, std::move(one));
  } else if (!requests_.empty()) {
    auto& to = peers_.at(leader).link.output();
    for (const auto& one : requests_)
      append_frame(one, to);
  }
}

void host::implementation::turn() {
  if (!group_)
    return;
  output_.clear();
  group_->turn(now_, unix_now_ms(), output_);
  carry_out();
}

void host::implementation::carry_out() {
  for (const auto& one : output_.messages)
    if (auto found = peers_.find(one.to);
        found != peers_.end() && found->second.greeted)
      append_raft_frame(first_group, one, found->second.link.output());
  // Peers are told before our own disk is: both then work at once.
  if (!output_.writes.empty())
    send_all();
  for (auto& one : output_.writes)
    writer_->submit(first_group, std::move(one));
  for (auto& one : output_.replies) {
    if (one.to == options_.self) {
      requester_.take(std::move(one.what), now_);
      again_ = again_ || requester_.outstanding() > 0;
    } else if (auto found = peers_.find(one.to);
               found != peers_.end() && found->second.greeted) {
      append_frame(one.what, found->second.link.output());
    }
  }
  if (output_.role_changed)
    again_ = true;
  if (output_.to_keep)
    errands_->run([this, what = std::move(*output_.to_keep)] {
      auto how = snapshot_files::write(*errand_directory_, first_group,
                                       what.meta, what.state);
      post([this, meta = what.meta, how] {
        group_->snapshot_kept(meta, how, now_);
      });
    });
}

void host::implementation::publish_report() {
  host_report fresh;
  fresh.formed = group_ != nullptr;
  fresh.incarnation = formation_->incarnation();
  if (group_)
    fresh.groups.push_back(group_->status());
  for (const auto& [id, one] : peers_)
    fresh.peers.push_back(
      {id, one.greeted, one.incoming != 0, one.incarnation});
  fresh.log = writer_->state();
  fresh.refused_connections = refused_connections_;
  fresh.problems = problems_;
  next_report_ = now_ + report_interval;
  std::lock_guard guard{report_mutex_};
  report_ = std::move(fresh);
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

void host::submit(group_id /*one there is*/, wish what) {
  std::vector<wish> one;
  one.push_back(std::move(what));
  inside_->submit(std::move(one));
}

void host::submit(group_id /*one there is*/, std::vector<wish> what) {
  inside_->submit(std::move(what));
}

void host::add_member(group_id /*one there is*/, raft::node_id who,
                      operator_answer done) {
  inside_->add_member(who, std::move(done));
}

void host::remove_member(group_id /*one there is*/, raft::node_id who,
                         operator_answer done) {
  inside_->remove_member(who, std::move(done));
}

void host::transfer(group_id /*one there is*/, raft::node_id to,
                    operator_answer done) {
  inside_->with_group(std::move(done), [to](group& one, operator_answer tell) {
    one.transfer(to, std::move(tell), monotonic_now());
  });
}

void host::take_snapshot(group_id /*one there is*/, operator_answer done) {
  inside_->with_group(std::move(done), [](group& one, operator_answer tell) {
    one.take_snapshot(std::move(tell));
  });
}

host_report host::report() const {
  return inside_->report();
}

} // namespace neuroplex::agreement
