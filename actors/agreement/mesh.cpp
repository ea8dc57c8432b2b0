#include "actors/agreement/mesh.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

constexpr auto reconnect_pause = 50ms;
constexpr auto greeting_patience = 3s;
constexpr std::int64_t longest_wait_ms = 1'000;
constexpr std::size_t max_strangers = 64; // connections without a greeting

} // namespace

mesh::mesh(const mesh_options& options, owner& whose)
  : options_{options}, owner_{whose} {
  for (auto id : options_.peers)
    if (id != options_.self)
      peers_[id].id = id;
}

expected<std::unique_ptr<mesh>> mesh::open(const mesh_options& options,
                                           owner& whose) {
  std::unique_ptr<mesh> result{new mesh(options, whose)};
  if (auto listening = result->listen(); !listening)
    return listening.error();
  return result;
}

expected<void> mesh::listen() {
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
  return {};
}

raft::time mesh::now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

// -- events -------------------------------------------------------------------

void mesh::watch(int descriptor, std::uint64_t what, bool writable) {
  epoll_event event{};
  event.events = EPOLLIN | (writable ? EPOLLOUT : 0U);
  event.data.u64 = what;
  static_cast<void>(
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event));
}

void mesh::rewatch(int descriptor, std::uint64_t what, bool writable) {
  epoll_event event{};
  event.events = EPOLLIN | (writable ? EPOLLOUT : 0U);
  event.data.u64 = what;
  static_cast<void>(
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event));
}

void mesh::wake() const noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_.get(), &one, sizeof(one)));
}

void mesh::wait(raft::time until) {
  auto left = until - mesh::now();
  auto patience = std::clamp<std::int64_t>(
    std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0,
    longest_wait_ms);
  auto count =
    ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                 static_cast<int>(patience));
  event_count_ = static_cast<std::size_t>(std::max(count, 0));
}

void mesh::take_arrived(raft::time now) {
  auto count = std::exchange(event_count_, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& event = events_[i];
    auto number = event.data.u64 & ((std::uint64_t{1} << 56) - 1);
    switch (static_cast<source>(event.data.u64 >> 56)) {
      case source::wake: {
        std::uint64_t ignored = 0;
        static_cast<void>(::read(wake_.get(), &ignored, sizeof(ignored)));
        break;
      }
      case source::listener:
        accept_all(now);
        break;
      case source::to_peer:
        on_peer(peers_.at(number), event.events, now);
        break;
      case source::from_peer:
        on_incoming(number);
        break;
    }
  }
}

// -- to peers -----------------------------------------------------------------

raft::time mesh::next_attempt() const {
  auto next = raft::time::max();
  for (const auto& [id, one] : peers_)
    if (one.port != 0 && !one.link.open())
      next = std::min(next, one.next_attempt);
  return next;
}

void mesh::connect(raft::time now) {
  for (auto& [id, one] : peers_) {
    if (one.link.open() && !one.greeted && one.attempt_ends <= now)
      drop(one, now);
    if (one.port != 0 && !one.link.open() && one.next_attempt <= now)
      begin_connect(one, now);
  }
}

void mesh::begin_connect(peer& to, raft::time now) {
  to.next_attempt = now + reconnect_pause;
  to.attempt_ends = now + greeting_patience;
  auto addresses = tunnel::resolve(to.address, to.port, true);
  if (!addresses)
    return;
  auto socket = tunnel::connect_to(addresses->front());
  if (!socket)
    return;
  tunnel::set_no_delay(socket->get());
  to.link = connection{std::move(*socket)};
  to.connected = false;
  to.greeted = false;
  to.wants_writable = true;
  append_frame(greeting_to(to.id), to.link.output());
  watch(to.link.descriptor(), token(source::to_peer, to.id), true);
}

void mesh::drop(peer& to, raft::time now) {
  auto was_greeted = to.greeted;
  to.link = connection{};
  to.connected = false;
  to.greeted = false;
  to.next_attempt = now + reconnect_pause;
  if (was_greeted)
    owner_.lost(to.id, true);
}

greeting mesh::greeting_to(raft::node_id to) const {
  auto what = owner_.greet();
  what.cluster = options_.cluster;
  what.from = options_.self;
  what.to = to;
  return what;
}

void mesh::on_peer(peer& to, std::uint32_t events, raft::time now) {
  if (!to.link.open())
    return;
  if (!to.connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    if (tunnel::pending_error(to.link.descriptor()) != 0)
      return drop(to, now);
    to.connected = true;
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0 || !to.connected)
    return;
  if (!to.link.receive())
    return drop(to, now);
  // All that comes back on it is the other side's greeting.
  for (;;) {
    auto bytes = to.link.next_frame();
    if (!bytes)
      return drop(to, now);
    if (bytes->empty())
      return;
    auto what = decode_frame(*bytes);
    auto* hello = what ? std::get_if<greeting>(&*what) : nullptr;
    if (hello == nullptr || hello->cluster != options_.cluster
        || hello->from != to.id || hello->to != options_.self
        || !owner_.agrees(*hello))
      return drop(to, now);
    if (!std::exchange(to.greeted, true))
      met(to);
    owner_.heard(*hello);
  }
}

void mesh::send_all(raft::time now) {
  for (auto& [id, one] : peers_) {
    if (!one.connected)
      continue;
    if (one.link.has_output() && !one.link.send()) {
      drop(one, now);
      continue;
    }
    auto wants = one.link.has_output();
    if (wants != one.wants_writable) {
      one.wants_writable = wants;
      rewatch(one.link.descriptor(), token(source::to_peer, id), wants);
    }
  }
}

void mesh::set_peer(raft::node_id id, const std::string& address,
                    std::uint16_t port, raft::time now) {
  auto found = peers_.find(id);
  if (found == peers_.end())
    return;
  auto& known = found->second;
  if (known.address == address && known.port == port)
    return;
  known.address = address;
  known.port = port;
  if (known.link.open())
    drop(known, now);
  known.next_attempt = now;
}

void mesh::greet_again() {
  for (auto& [id, one] : peers_)
    if (one.greeted)
      append_frame(greeting_to(id), one.link.output());
}

// -- from peers ---------------------------------------------------------------

void mesh::accept_all(raft::time now) {
  for (;;) {
    tunnel::socket_address from;
    from.length = sizeof(from.storage);
    tunnel::socket_handle socket{::accept4(
      listener_.get(), from.get(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket.valid())
      return;
    auto strangers =
      std::count_if(incoming_.begin(), incoming_.end(), [](const auto& one) {
        return one.second.from == raft::nobody;
      });
    if (static_cast<std::size_t>(strangers) >= max_strangers
        || !tunnel::same_user(socket.get())) {
      ++refused_;
      continue;
    }
    tunnel::set_no_delay(socket.get());
    auto number = ++last_incoming_;
    auto& fresh = incoming_[number];
    fresh.link = connection{std::move(socket)};
    fresh.port = from.port();
    fresh.must_greet_by = now + greeting_patience;
    watch(fresh.link.descriptor(), token(source::from_peer, number), false);
  }
}

void mesh::drop_silent(raft::time now) {
  std::vector<std::uint64_t> silent;
  for (const auto& [number, one] : incoming_)
    if (one.from == raft::nobody && one.must_greet_by <= now)
      silent.push_back(number);
  for (auto number : silent)
    refuse(number);
}

void mesh::refuse(std::uint64_t number) {
  ++refused_;
  drop_incoming(number);
}

void mesh::drop_incoming(std::uint64_t number) {
  auto found = incoming_.find(number);
  if (found == incoming_.end())
    return;
  auto from = found->second.from;
  incoming_.erase(found);
  if (auto known = peers_.find(from);
      known != peers_.end() && known->second.incoming == number) {
    known->second.incoming = 0;
    owner_.lost(from, false);
  }
}

// A connection is what its greeting says, if all of it is right.
bool mesh::admit(const greeting& what, std::uint64_t number) {
  auto known = peers_.find(what.from);
  if (what.cluster != options_.cluster || what.to != options_.self
      || known == peers_.end())
    return false;
  if (options_.origins != nullptr
      && options_.origins->of(incoming_.at(number).port) != what.from)
    return false;
  if (!owner_.agrees(what))
    return false;
  auto& from = known->second;
  if (from.incoming != 0)
    drop_incoming(from.incoming);
  from.incoming = number;
  met(from);
  auto& one = incoming_.at(number);
  one.from = what.from;
  append_frame(greeting_to(what.from), one.link.output());
  return one.link.send();
}

void mesh::met(peer& who) {
  ++who.meetings;
  owner_.met(who.id);
}

void mesh::on_incoming(std::uint64_t number) {
  auto found = incoming_.find(number);
  if (found == incoming_.end())
    return;
  auto& one = found->second;
  auto alive = one.link.receive();
  for (;;) {
    auto bytes = one.link.next_frame();
    if (!bytes)
      return refuse(number);
    if (bytes->empty())
      break;
    auto what = decode_frame(*bytes);
    auto* hello = what ? std::get_if<greeting>(&*what) : nullptr;
    auto first = one.from == raft::nobody;
    if (!what || (first && (hello == nullptr || !admit(*hello, number))))
      return refuse(number);
    if (hello == nullptr)
      owner_.take(one.from, std::move(*what));
    else if (!first && hello->from != one.from)
      return refuse(number);
    else
      owner_.heard(*hello);
  }
  if (!alive)
    drop_incoming(number);
}

// -- what stands --------------------------------------------------------------

std::string* mesh::output_to(raft::node_id peer) {
  auto found = peers_.find(peer);
  return found == peers_.end() || !found->second.greeted
           ? nullptr
           : &found->second.link.output();
}

bool mesh::reaches(raft::node_id peer) const {
  auto found = peers_.find(peer);
  return found != peers_.end() && found->second.greeted;
}

bool mesh::hears(raft::node_id peer) const {
  auto found = peers_.find(peer);
  return found != peers_.end() && found->second.incoming != 0;
}

std::uint64_t mesh::meetings(raft::node_id peer) const {
  auto found = peers_.find(peer);
  return found == peers_.end() ? 0 : found->second.meetings;
}

} // namespace neuroplex::agreement
