#include "actors/agreement/host.hpp"

#include "actors/agreement/host_implementation.hpp"
#include "actors/agreement/log_identity.hpp"
#include "actors/clock.hpp"

#include <algorithm>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

constexpr auto report_interval = 20ms;

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
  if (options_.groups < 1 || options_.groups > max_groups)
    return failure{errc::config,
                   "raft.groups: " + std::to_string(options_.groups) + ": 1 to "
                     + std::to_string(max_groups)};
  if (auto opened = open_directories(); !opened)
    return opened;
  auto fresh = static_cast<raft::incarnation_number>(
    std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch())
      .count());
  auto formed = formation::open(*state_directory_, options_.self,
                                options_.members, options_.groups, fresh);
  if (!formed)
    return formed.error();
  formation_ = std::move(*formed);
  feed_.emplace(change_feed::options{.number = fresh ^ options_.self << 52,
                                     .groups = options_.groups});
  auto where =
    memory::open_disk_directory(options_.directory + "/log", true, "raft log");
  if (!where)
    return where.error();
  auto log = log_writer::open(
    std::move(*where), log_identity_of(options_.cluster, options_.self),
    {.segment_bytes = options_.segment_bytes, .seed = options_.seed});
  if (!log)
    return log.error();
  if (log->met.cut_bytes > 0)
    problems_.push_back("the log ended in a write that had not become durable: "
                        + std::to_string(log->met.cut_bytes)
                        + " bytes were cut off");
  writer_ = std::move(log->writer);
  for (auto& [id, state] : log->groups) {
    auto* where = find_seat(id);
    if (where == nullptr)
      return failure{errc::config, options_.directory + "/log: has group "
                                     + std::to_string(id) + ", configured are "
                                     + std::to_string(options_.groups)
                                     + ": set raft.groups as it was"};
    where->recovered = std::move(state);
  }
  now_ = mesh::now();
  // A node without others has met them all.
  if (auto begun = formation_->begin(*state_directory_); !begun)
    return begun.error();
  if (formation_->first())
    if (auto begun = begin_groups(); !begun)
      return begun;
  mesh_options links;
  links.cluster = options_.cluster;
  links.self = options_.self;
  for (const auto& [id, one] : peers_)
    links.peers.push_back(id);
  links.listen_host = options_.listen_host;
  links.port = options_.port;
  links.origins = options_.origins;
  auto opened = mesh::open(links, *this);
  if (!opened)
    return opened.error();
  mesh_ = std::move(*opened);
  publish_report();
  return {};
}

expected<void> host::implementation::begin_groups() {
  if (auto empty = store_machine::machine::empty(store_, options_.spaces);
      !empty)
    return empty;
  for (auto& one : seats_)
    if (auto begun = begin_group(*one); !begun)
      return begun;
  formed_ = true;
  touch_all();
  return {};
}

expected<void> host::implementation::begin_group(seat& where) {
  auto files = snapshot_files::open(*state_directory_, where.id, problems_);
  if (!files)
    return files.error();
  group::options settings;
  settings.id = where.id;
  settings.spaces = options_.spaces;
  settings.groups = options_.groups;
  settings.feed = &*feed_;
  settings.snapshot_after_bytes = options_.snapshot_after_bytes;
  settings.raft.id = options_.self;
  settings.raft.incarnation = formation_->incarnation();
  // Groups draw apart, or one node would be elected in all of them.
  settings.raft.seed = options_.seed ^ (where.id * 0xD6E8'FEB8'6659'FD93U);
  settings.raft.election_timeout = options_.election_timeout;
  settings.raft.heartbeat_interval = options_.heartbeat;
  settings.raft.lease_reads = options_.lease_reads;
  settings.raft.max_payload_bytes =
    store_machine::limits::max_batch_bytes + 65'536;
  auto state = std::exchange(where.recovered, {});
  // Whose disk was lost is not one of the first members, but his number is.
  const raft::member us{options_.self, formation_->incarnation()};
  const auto& first = formation_->first()->voters;
  if (std::find(first.begin(), first.end(), us) != first.end())
    state.snapshot.members = *formation_->first();
  auto made =
    group::open(settings, store_, std::move(*files), std::move(state), now_);
  if (!made)
    return made.error();
  where.part = std::move(*made);
  return {};
}

void host::implementation::start() {
  writer_->start([this] { mesh_->wake(); });
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
  for (auto& one : seats_)
    one->asks.give_up();
  for (auto& [tag, one] : std::exchange(orders_, {}))
    one.done(failure{errc::unknown_outcome, "raft: the node is stopping"});
  feed_->give_up();
}

// -- from other threads -------------------------------------------------------

void host::implementation::post(std::function<void()> task) {
  if (inbox_.post(std::move(task)))
    mesh_->wake();
}

void host::implementation::submit(std::vector<wish> what) {
  if (inbox_.submit(std::move(what)))
    mesh_->wake();
}

void host::implementation::watch_changes(watch_wish what) {
  post([this, what = std::move(what)]() mutable {
    feed_->watch(std::move(what), mesh::now());
  });
}

void host::implementation::set_peer(raft::node_id id,
                                    const std::string& address,
                                    std::uint16_t port) {
  post([this, id, address, port] { mesh_->set_peer(id, address, port, now_); });
}

// -- the loop -----------------------------------------------------------------

void host::implementation::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    mesh_->wait(touched_.empty() ? next_deadline() : now_);
    now_ = mesh::now();
    unix_ms_ = actors::unix_ms();
    mesh_->take_arrived(now_);
    take_inbox();
    take_written();
    touch_due();
    take_turns();
    feed_->serve(now_);
    mesh_->connect(now_);
    mesh_->send_all(now_);
    if (now_ >= next_report_) {
      mesh_->drop_silent(now_);
      drop_late_orders();
      spread_leaders();
      publish_report();
    }
  }
}

raft::time host::implementation::next_deadline() const {
  auto next =
    std::min({next_report_, feed_->next_deadline(), mesh_->next_attempt()});
  if (!deadlines_.empty())
    next = std::min(next, deadlines_.begin()->first);
  return next;
}

void host::implementation::take_inbox() {
  auto came = inbox_.take();
  for (auto& task : came.tasks)
    task();
  for (auto& one : came.wishes) {
    if (auto* where = find_seat(one.group)) {
      where->asks.add(std::move(one));
      touch(*where);
    } else {
      one.done({errc::bad_argument, {}});
    }
  }
}

void host::implementation::take_written() {
  written_.clear();
  auto healthy = writer_->collect(written_);
  if (!formed_)
    return;
  for (const auto& one : written_) {
    auto& where = *find_seat(one.group);
    where.part->written(one.write, now_);
    touch(where);
  }
  if (!healthy && !std::exchange(log_failed_, true)) {
    auto why = writer_->state().problem;
    for (auto& one : seats_)
      one->part->disk_failed(why, now_);
    touch_all();
  }
}

host::implementation::seat* host::implementation::find_seat(group_id group) {
  return group >= first_group && group - first_group < seats_.size()
           ? seats_[group - first_group].get()
           : nullptr;
}

void host::implementation::touch(seat& which) {
  if (!std::exchange(which.touched, true))
    touched_.push_back(&which);
}

void host::implementation::touch_all() {
  for (auto& one : seats_)
    touch(*one);
}

void host::implementation::touch_due() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    auto& due = *find_seat(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    due.deadline = raft::time::max();
    touch(due);
  }
}

// A deadline that has moved away is left where it is: to look once in vain
// costs less than to move it at every heartbeat.
void host::implementation::reschedule(seat& which) {
  auto next = which.asks.next_deadline();
  if (which.part)
    next = std::min(next, which.part->next_deadline(now_, unix_ms_));
  if (next >= which.deadline)
    return;
  if (which.deadline != raft::time::max())
    deadlines_.erase({which.deadline, which.id});
  which.deadline = next;
  deadlines_.emplace(next, which.id);
}

// One turn of each group that has something to do; then peers and disk are
// told for all of them at once. Peers come first: both then work at once.
void host::implementation::take_turns() {
  round_.clear();
  round_.swap(touched_);
  for (auto* one : round_) {
    one->touched = false;
    turn(*one);
  }
  for (auto& [id, one] : peers_)
    flush_beats(id, one);
  if (!jobs_.empty()) {
    mesh_->send_all(now_);
    writer_->submit(std::exchange(jobs_, {}));
  }
  for (auto& [where, answer] : own_replies_) {
    where->asks.take(std::move(answer), now_);
    if (where->asks.outstanding() > 0)
      touch(*where);
  }
  own_replies_.clear();
  for (auto* one : round_)
    reschedule(*one);
}

void host::implementation::turn(seat& which) {
  if (which.asks.outstanding() > 0) {
    which.asks.tick(now_);
    note_leader(which);
    send_requests(which);
  }
  if (!which.part)
    return;
  output_.clear();
  which.part->turn(now_, unix_ms_, !keeping_, output_);
  for (const auto& one : output_.messages)
    send_message(which.id, one);
  for (auto& one : output_.writes)
    jobs_.push_back({which.id, std::move(one)});
  for (auto& one : output_.replies) {
    if (one.to == options_.self)
      own_replies_.emplace_back(&which, std::move(one.what));
    else if (auto* to = mesh_->output_to(one.to))
      append_frame(one.what, *to);
  }
  if (output_.role_changed)
    touch(which);
  if (output_.to_keep) {
    keeping_ = true;
    errands_->run([this, &which, what = std::move(*output_.to_keep)] {
      auto how = snapshot_files::write(*errand_directory_, which.id, what.meta,
                                       what.state);
      post([this, &which, meta = what.meta, how] {
        keeping_ = false;
        which.part->snapshot_kept(meta, how, now_);
        // Others may have waited for it.
        touch_all();
      });
    });
  }
}

void host::implementation::note_leader(seat& which) {
  auto leader = which.part ? which.part->leader() : raft::nobody;
  if (leader == options_.self)
    return which.asks.set_leader(leader, true, which.part->term());
  which.asks.set_leader(leader, mesh_->reaches(leader) && mesh_->hears(leader),
                        mesh_->meetings(leader));
}

void host::implementation::send_requests(seat& which) {
  requests_.clear();
  which.asks.requests(requests_, now_);
  auto leader = which.asks.leader();
  if (leader == options_.self) {
    for (auto& one : requests_)
      which.part->request(leader, std::move(one));
  } else if (auto* to = mesh_->output_to(leader)) {
    for (const auto& one : requests_)
      append_frame(one, *to);
  }
}

void host::implementation::send_message(group_id group,
                                        const raft::message& what) {
  auto found = peers_.find(what.to);
  auto* output = mesh_->output_to(what.to);
  if (found == peers_.end() || output == nullptr)
    return;
  auto& to = found->second;
  if (const auto* beat = std::get_if<raft::heartbeat>(&what.body))
    to.beats.beats.push_back({group, what.term, beat->commit, beat->round});
  else if (const auto* reply = std::get_if<raft::heartbeat_reply>(&what.body))
    to.beat_replies.beats.push_back({group, what.term, 0, reply->round});
  else
    append_raft_frame(group, what, *output);
}

void host::implementation::flush_beats(raft::node_id id, peer& to) {
  for (auto* beats : {&to.beats, &to.beat_replies}) {
    if (beats->beats.empty())
      continue;
    beats->incarnation = formation_->incarnation();
    if (auto* output = mesh_->output_to(id))
      append_frame(*beats, *output);
    beats->beats.clear();
  }
}

void host::implementation::publish_report() {
  next_report_ = now_ + report_interval;
  auto log = writer_->state();
  std::lock_guard guard{report_mutex_};
  report_.formed = formed_;
  report_.incarnation = formation_->incarnation();
  if (formed_)
    report_.groups.resize(seats_.size());
  for (std::size_t i = 0; i < report_.groups.size(); ++i)
    if (seats_[i]->part->take_news())
      report_.groups[i] = seats_[i]->part->status();
  report_.peers.clear();
  for (const auto& [id, one] : peers_)
    report_.peers.push_back(
      {id, mesh_->reaches(id), mesh_->hears(id), one.incarnation});
  report_.log = std::move(log);
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

group_id host::group_of(std::string_view key) const noexcept {
  return agreement::group_of(key, inside_->groups());
}

void host::submit(std::vector<wish> what) {
  inside_->submit(std::move(what));
}

void host::watch(watch_wish what) {
  inside_->watch_changes(std::move(what));
}

// An answered write is on the disks of a majority: of the node that led, and of
// at least half of the voters beside it.
std::size_t host::other_copies() const {
  const auto now = report();
  return now.groups.empty() ? 0
                            : now.groups.front().core.members.voters.size() / 2;
}

void host::operate(const std::string& wish, raft::node_id node, group_id group,
                   operator_answer done) {
  if (wish == "add")
    order(group, order_kind::add, node, std::move(done));
  else if (wish == "remove")
    order(group, order_kind::remove, node, std::move(done));
  else if (wish == "transfer")
    order(group, order_kind::transfer, node, std::move(done));
  else if (wish == "snapshot")
    take_snapshot(group, std::move(done));
  else
    done(failure{errc::bad_argument, "raft: \"" + wish
                                       + "\": expected add, remove, transfer "
                                         "or snapshot"});
}

void host::order(group_id group, order_kind kind, raft::node_id node,
                 operator_answer done) {
  inside_->order(group, kind, node, std::move(done));
}

void host::take_snapshot(group_id group, operator_answer done) {
  inside_->take_snapshot(group, std::move(done));
}

host_report host::report() const {
  return inside_->report();
}

} // namespace neuroplex::agreement
