#include "actors/tunnel/relay.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace neuroplex::tunnel {

namespace {

// Values of epoll's user data below the first connection.
constexpr std::uint64_t wake_tag = 0;
constexpr std::uint64_t listener_tag = 1;

/// Connections accepted in one round, so that streams get their turn.
constexpr int accept_burst = 64;

std::int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch())
    .count();
}

bool out_of_resources(int code) {
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

/// Ends after which nobody is there who could still read.
bool abandoned(reason why) {
  return why == reason::handshake_deadline || why == reason::idle
         || why == reason::superseded;
}

credential_times times_of(const credentials& files) {
  std::error_code ignored;
  auto time_of = [&](const std::filesystem::path& file) {
    return std::filesystem::last_write_time(file, ignored);
  };
  return {time_of(files.authority_file), time_of(files.certificate_file),
          time_of(files.key_file)};
}

bool worth_telling(reason why) {
  return why != reason::orderly && why != reason::stopped;
}

} // namespace

struct relay::connection {
  /// One of the two sockets.
  struct end {
    socket_handle socket;
    std::uint32_t watched = 0;
    bool connecting = false;
    bool read_ended = false;
    bool write_ended = false;
  };

  connection(std::uint64_t number, const stream_settings& settings,
             std::shared_ptr<const tls_context> context, std::string from,
             std::int64_t now_ms)
    : id{number}, address{std::move(from)}, machine{settings,
                                                    std::move(context),
                                                    now_ms} {
  }

  end& at(side which) {
    return which == side::network ? network : local;
  }

  std::uint64_t id;
  std::string address;
  stream machine;
  end network;
  end local;
  bool pending = true;
  std::optional<stream_origins::entry> origin; // while it is relayed
  std::size_t discarded_bytes = 0;
  /// When a socket last took bytes.
  std::int64_t progress_ms = 0;
  // What was already added to the counters.
  std::uint64_t counted_from_peer = 0;
  std::uint64_t counted_to_peer = 0;
  std::uint64_t counted_frames = 0;
};

expected<std::unique_ptr<relay>> relay::start(relay_settings settings) {
  auto context = tls_context::load(settings.files, settings.streams.self.id);
  if (!context)
    return context.error();
  std::unique_ptr<relay> result{
    new relay{std::move(settings), *std::move(context)}};
  auto listener = listen_on(result->settings_.listen_address);
  if (!listener)
    return listener.error();
  result->listener_ = *std::move(listener);
  result->port_ = local_port(result->listener_.get());
  result->epoll_ = socket_handle{::epoll_create1(EPOLL_CLOEXEC)};
  result->wake_ = socket_handle{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_tag;
  if (!result->epoll_.valid() || !result->wake_.valid()
      || ::epoll_ctl(result->epoll_.get(), EPOLL_CTL_ADD, result->wake_.get(),
                     &event)
           != 0)
    return failure{errc::io, std::string{"tunnel: "} + std::strerror(errno)};
  result->resume_accepting();
  result->thread_ = std::thread{[self = result.get()] { self->run(); }};
  return result;
}

relay::relay(relay_settings settings,
             std::shared_ptr<const tls_context> context)
  : settings_{std::move(settings)}, sessions_{settings_.rules},
    known_times_{times_of(settings_.files)},
    buffer_(limits::read_chunk_bytes), context_{std::move(context)} {
  if (settings_.streams.role == tls_role::server)
    settings_.streams.sessions = &sessions_;
}

relay::~relay() {
  stop();
}

void relay::stop() noexcept {
  // Release pairs with the acquire in `run`; the eventfd only ends the wait.
  if (!stopping_.exchange(true, std::memory_order_release) && wake_.valid()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wake_.get(), &one, sizeof(one));
  }
  std::lock_guard guard{stop_mutex_};
  if (thread_.joinable())
    thread_.join();
}

std::string relay::last_failure() const {
  std::lock_guard guard{mutex_};
  return last_failure_;
}

expected<void> relay::reload_credentials() {
  auto context = tls_context::load(settings_.files, settings_.streams.self.id);
  std::lock_guard guard{mutex_};
  if (!context)
    return context.error();
  context_ = *std::move(context);
  return {};
}

void relay::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    wait(steady_ms());
    const auto now_ms = steady_ms();
    if (now_ms >= next_tick_ms_)
      tick(now_ms);
  }
  const auto now_ms = steady_ms();
  listener_.reset();
  while (!connections_.empty()) {
    auto& c = *connections_.begin()->second;
    c.machine.close(reason::stopped, "", now_ms);
    flush(c, side::network, now_ms);
    remove(c);
  }
}

void relay::wait(std::int64_t now_ms) {
  std::array<epoll_event, 64> events;
  const bool idle = connections_.empty() && accepting_;
  const auto until_tick = std::max<std::int64_t>(next_tick_ms_ - now_ms, 0);
  const int timeout_ms =
    idle ? -1 : static_cast<int>(std::min(until_tick, limits::tick_ms));
  const int count = ::epoll_wait(epoll_.get(), events.data(),
                                 static_cast<int>(events.size()), timeout_ms);
  const auto woken_ms = steady_ms();
  for (int i = 0; i < count; ++i) {
    const auto tag = events[static_cast<std::size_t>(i)].data.u64;
    if (tag == wake_tag)
      return;
    if (tag == listener_tag) {
      accept_some(woken_ms);
      continue;
    }
    // A connection may have been removed by an earlier event of this round.
    auto position = connections_.find(tag >> 1);
    if (position == connections_.end())
      continue;
    auto& c = *position->second;
    on_event(c, (tag & 1) == 0 ? side::network : side::local,
             events[static_cast<std::size_t>(i)].events, woken_ms);
    if (settle(c, woken_ms))
      account(c);
    probe_sessions(woken_ms);
  }
}

void relay::accept_some(std::int64_t now_ms) {
  for (int i = 0; i < accept_burst; ++i) {
    if (pending_count_ >= settings_.max_pending) {
      pause_accepting(0);
      return;
    }
    socket_address from;
    from.length = sizeof(from.storage);
    socket_handle accepted{::accept4(listener_.get(), from.get(), &from.length,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!accepted.valid()) {
      if (out_of_resources(errno))
        pause_accepting(now_ms + limits::accept_retry_ms);
      return;
    }
    add(std::move(accepted), from, now_ms);
  }
}

void relay::pause_accepting(std::int64_t retry_ms) {
  accepting_ = false;
  accept_retry_ms_ = retry_ms;
  counters::add(counters_.accept_pauses);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
}

void relay::resume_accepting() {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = listener_tag;
  accepting_ =
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) == 0;
}

void relay::add(socket_handle accepted, const socket_address& from,
                std::int64_t now_ms) {
  counters::add(counters_.connections_accepted);
  const bool server = settings_.streams.role == tls_role::server;
  auto address = from.host();
  if (server) {
    auto& pending = pending_by_address_[address];
    if (pending >= settings_.max_pending_per_address) {
      counters_.count(reason::address_limit);
      return;
    }
    ++pending;
  } else if (!same_user(accepted.get())) {
    counters_.count(reason::foreign_user);
    return;
  }
  set_no_delay(accepted.get());
  check_credentials(now_ms);
  std::shared_ptr<const tls_context> context;
  {
    std::lock_guard guard{mutex_};
    context = context_;
  }
  const auto id = next_id_++;
  auto& c = *connections_
               .emplace(id, std::make_unique<connection>(
                              id, settings_.streams, std::move(context),
                              std::move(address), now_ms))
               .first->second;
  counters::set(counters_.connections_pending, ++pending_count_);
  counters::set(counters_.connections_open, connections_.size());
  c.at(server ? side::network : side::local).socket = std::move(accepted);
  if (!server)
    connect_target(c, side::network, now_ms);
  settle(c, now_ms);
}

expected<socket_address> relay::next_target() {
  const auto& [name, port] = settings_.target_name;
  if (!name.empty() && target_index_ >= settings_.targets.size()) {
    auto found = resolve(name, port, false);
    if (!found)
      return found.error();
    settings_.targets = *std::move(found);
    target_index_ = 0;
  }
  return settings_.targets[target_index_ % settings_.targets.size()];
}

void relay::connect_target(connection& c, side which, std::int64_t now_ms) {
  auto target = which == side::local && c.machine.wanted() == service::agreement
                  ? expected<socket_address>{*settings_.agreement_target}
                  : next_target();
  auto made =
    target ? connect_to(*target) : expected<socket_handle>{target.error()};
  if (!made) {
    ++target_index_;
    c.machine.refuse(which == side::network ? reason::connect_failed
                                            : reason::local_unavailable,
                     made.error().message(), now_ms);
    return;
  }
  auto& e = c.at(which);
  e.socket = *std::move(made);
  e.connecting = true;
}

void relay::on_event(connection& c, side which, std::uint32_t events,
                     std::int64_t now_ms) {
  auto& e = c.at(which);
  if (e.connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
      return;
    e.connecting = false;
    if (const int code = pending_error(e.socket.get()); code != 0) {
      e.write_ended = e.read_ended = true;
      ++target_index_;
      c.machine.refuse(which == side::network ? reason::connect_failed
                                              : reason::local_unavailable,
                       std::strerror(code), now_ms);
    } else if (which == side::network) {
      c.machine.on_network_open(now_ms);
    } else {
      local_opened(c, now_ms);
    }
    return;
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0
      && (e.watched & EPOLLIN) != 0)
    read_from(c, which, now_ms);
}

void relay::local_opened(connection& c, std::int64_t now_ms) {
  if (c.machine.wanted() == service::agreement && c.machine.peer())
    c.origin.emplace(settings_.origins, local_port(c.local.socket.get()),
                     *c.machine.peer());
  c.machine.on_local_open(now_ms);
}

void relay::read_from(connection& c, side which, std::int64_t now_ms) {
  auto& e = c.at(which);
  // A local read fills one frame.
  const auto limit =
    which == side::network ? buffer_.size() : limits::data_payload_bytes;
  const auto count = ::recv(e.socket.get(), buffer_.data(), limit, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    return;
  if (count <= 0) {
    e.read_ended = true;
    if (count < 0)
      e.write_ended = true;
    if (which == side::network)
      c.machine.on_network_end(now_ms);
    else
      c.machine.on_local_end(now_ms);
    return;
  }
  const std::span<const std::byte> bytes{buffer_.data(),
                                         static_cast<std::size_t>(count)};
  if (c.machine.closing())
    c.discarded_bytes += bytes.size();
  else if (which == side::network)
    c.machine.on_network(bytes, now_ms);
  else
    c.machine.on_local(bytes, now_ms);
}

void relay::flush(connection& c, side which, std::int64_t now_ms) {
  auto& e = c.at(which);
  if (!e.socket.valid() || e.connecting)
    return;
  auto& queue =
    which == side::network ? c.machine.network_out() : c.machine.local_out();
  while (!queue.empty()) {
    if (e.write_ended) {
      queue.clear();
      return;
    }
    const auto bytes = queue.front();
    const auto count =
      ::send(e.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      queue.consume(static_cast<std::size_t>(count));
      c.progress_ms = now_ms;
      continue;
    }
    if (errno == EINTR)
      continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      return;
    e.write_ended = e.read_ended = true;
    if (which == side::network)
      c.machine.on_network_end(now_ms);
    else
      c.machine.on_local_end(now_ms);
  }
}

bool relay::settle(connection& c, std::int64_t now_ms) {
  const auto stream_count = connections_.size() - pending_count_;
  if (c.pending && c.machine.peer()
      && stream_count >= settings_.max_connections)
    c.machine.refuse(reason::too_many_streams, "", now_ms);
  if (c.machine.wants_local_open() && !c.local.socket.valid())
    connect_target(c, side::local, now_ms);
  flush(c, side::local, now_ms);
  // Last, since a local side that ended leaves a close frame.
  flush(c, side::network, now_ms);
  if (c.machine.state() == stream::phase::relaying && c.pending) {
    leave_pending(c);
    counters::add(counters_.streams_established);
  }
  if (c.machine.closing() && finished(c, now_ms)) {
    remove(c);
    return false;
  }
  watch(c, side::network);
  watch(c, side::local);
  return true;
}

void relay::check_credentials(std::int64_t now_ms) {
  if (now_ms < next_credential_check_ms_)
    return;
  next_credential_check_ms_ = now_ms + limits::credential_check_ms;
  const auto times = times_of(settings_.files);
  if (times == known_times_)
    return;
  known_times_ = times;
  // A rotation replaces one file after the other. Between them certificate and
  // key do not match: then the old ones stay, and the next change is read.
  if (auto read = reload_credentials(); !read) {
    std::lock_guard guard{mutex_};
    last_failure_ = "credentials kept: " + read.error().message();
  }
}

bool relay::finished(connection& c, std::int64_t now_ms) {
  if (abandoned(c.machine.cause()))
    return true;
  auto& network = c.network;
  auto& local = c.local;
  if (local.socket.valid()
      && (local.connecting || c.machine.local_out().empty()))
    local = {};
  if (network.socket.valid()) {
    if (network.connecting || (network.read_ended && network.write_ended)) {
      network = {};
    } else if (!network.write_ended && c.machine.network_out().empty()) {
      ::shutdown(network.socket.get(), SHUT_WR);
      network.write_ended = true;
    }
  }
  // Lingering until the peer has read what was said: closing a socket with
  // unread input would reset the connection and could destroy it.
  if (network.socket.valid() && network.read_ended && network.write_ended)
    network = {};
  if (!network.socket.valid() && !local.socket.valid())
    return true;
  const auto& bounds = settings_.streams.limits;
  const auto since_ms = c.machine.closing_since_ms();
  return now_ms - std::max(since_ms, c.progress_ms) >= bounds.linger_ms
         || now_ms - since_ms >= bounds.idle_ms
         || c.discarded_bytes >= limits::linger_bytes;
}

void relay::watch(connection& c, side which) {
  auto& e = c.at(which);
  if (!e.socket.valid())
    return;
  std::uint32_t wanted = 0;
  const bool network = which == side::network;
  if (e.connecting) {
    wanted = EPOLLOUT;
  } else {
    const bool lingering = network && c.machine.closing();
    const bool reading =
      network ? c.machine.wants_network() : c.machine.wants_local();
    const auto& queue =
      network ? c.machine.network_out() : c.machine.local_out();
    if ((reading || lingering) && !e.read_ended)
      wanted |= EPOLLIN;
    if (!queue.empty())
      wanted |= EPOLLOUT;
  }
  if (wanted == e.watched)
    return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = (c.id << 1) | (network ? 0 : 1);
  const int action = e.watched == 0 ? EPOLL_CTL_ADD
                     : wanted == 0  ? EPOLL_CTL_DEL
                                    : EPOLL_CTL_MOD;
  ::epoll_ctl(epoll_.get(), action, e.socket.get(), &event);
  e.watched = wanted;
}

void relay::account(connection& c) {
  auto add_rest = [](std::atomic<std::uint64_t>& cell, std::uint64_t total,
                     std::uint64_t& counted) {
    if (total != counted)
      counters::add(cell, total - std::exchange(counted, total));
  };
  add_rest(counters_.bytes_from_peers, c.machine.bytes_from_peer(),
           c.counted_from_peer);
  add_rest(counters_.bytes_to_peers, c.machine.bytes_to_peer(),
           c.counted_to_peer);
  add_rest(counters_.basp_frames, c.machine.basp_frame_count(),
           c.counted_frames);
}

void relay::leave_pending(connection& c) {
  if (!std::exchange(c.pending, false))
    return;
  counters::set(counters_.connections_pending, --pending_count_);
  if (!accepting_ && accept_retry_ms_ == 0 && listener_.valid())
    resume_accepting();
  auto position = pending_by_address_.find(c.address);
  if (position != pending_by_address_.end() && --position->second == 0)
    pending_by_address_.erase(position);
}

void relay::remove(connection& c) {
  account(c);
  leave_pending(c);
  const auto why = c.machine.cause();
  if (worth_telling(why)) {
    const auto peer = c.machine.peer();
    std::string text{reason_name(why)};
    if (settings_.streams.role == tls_role::server)
      text += " from " + c.address;
    if (peer)
      text += " (replica " + std::to_string(*peer) + ")";
    text += ": " + c.machine.detail();
    std::lock_guard guard{mutex_};
    last_failure_ = std::move(text);
  }
  counters_.count(why);
  connections_.erase(c.id);
  counters::set(counters_.connections_open, connections_.size());
}

void relay::tick(std::int64_t now_ms) {
  next_tick_ms_ = now_ms + limits::tick_ms;
  std::vector<std::uint64_t> ids;
  ids.reserve(connections_.size());
  for (const auto& [id, c] : connections_)
    ids.push_back(id);
  for (const auto id : ids) {
    auto& c = *connections_.at(id);
    c.machine.on_tick(now_ms);
    if (settle(c, now_ms))
      account(c);
  }
  if (!accepting_ && accept_retry_ms_ != 0 && now_ms >= accept_retry_ms_) {
    accept_retry_ms_ = 0;
    resume_accepting();
  }
}

void relay::probe_sessions(std::int64_t now_ms) {
  for (const auto id : sessions_.take_probes())
    for (auto& [number, c] : connections_)
      if (c->machine.peer() == id)
        c->machine.probe(now_ms);
}

} // namespace neuroplex::tunnel
