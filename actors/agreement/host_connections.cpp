// The host's connections to and from its peers.

#include "actors/agreement/host_implementation.hpp"

#include <algorithm>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

constexpr auto reconnect_pause = 50ms;
constexpr auto greeting_patience = 3s;
constexpr std::size_t max_strangers = 64; // connections without a greeting

} // namespace

void host::implementation::watch(int descriptor, std::uint64_t what,
                                 bool writable) {
  epoll_event event{};
  event.events = EPOLLIN | (writable ? EPOLLOUT : 0U);
  event.data.u64 = what;
  static_cast<void>(
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event));
}

void host::implementation::rewatch(int descriptor, std::uint64_t what,
                                   bool writable) {
  epoll_event event{};
  event.events = EPOLLIN | (writable ? EPOLLOUT : 0U);
  event.data.u64 = what;
  static_cast<void>(
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event));
}

void host::implementation::connect_peers() {
  for (auto& [id, one] : peers_) {
    if (one.link.open() && !one.greeted && one.attempt_ends <= now_)
      drop(one);
    if (one.port != 0 && !one.link.open() && one.next_attempt <= now_)
      begin_connect(one);
  }
}

void host::implementation::begin_connect(peer& to) {
  to.next_attempt = now_ + reconnect_pause;
  to.attempt_ends = now_ + greeting_patience;
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
  append_frame(greet(to.id), to.link.output());
  watch(to.link.descriptor(), token(source::to_peer, to.id), true);
}

void host::implementation::drop(peer& to) {
  auto was_greeted = to.greeted;
  to.link = connection{};
  to.connected = false;
  to.greeted = false;
  to.next_attempt = now_ + reconnect_pause;
  if (was_greeted && group_)
    group_->lost_peer(to.id, now_);
}

greeting host::implementation::greet(raft::node_id to) const {
  return {.cluster = options_.cluster,
          .from = options_.self,
          .to = to,
          .incarnation = formation_->incarnation(),
          .first = formation_->first()};
}

void host::implementation::on_peer(peer& to, std::uint32_t events) {
  if (!to.link.open())
    return;
  if (!to.connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    if (tunnel::pending_error(to.link.descriptor()) != 0)
      return drop(to);
    to.connected = true;
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0 || !to.connected)
    return;
  if (!to.link.receive())
    return drop(to);
  // All that comes back on it is the other side's greeting.
  for (;;) {
    auto bytes = to.link.next_frame();
    if (!bytes)
      return drop(to);
    if (bytes->empty())
      return;
    auto what = decode_frame(*bytes);
    auto* hello = what ? std::get_if<greeting>(&*what) : nullptr;
    if (hello == nullptr || hello->cluster != options_.cluster
        || hello->from != to.id || hello->to != options_.self)
      return drop(to);
    if (!std::exchange(to.greeted, true))
      ++to.meetings;
    heard(*hello);
  }
}

void host::implementation::accept_all() {
  for (;;) {
    tunnel::socket_handle socket{::accept4(listener_.get(), nullptr, nullptr,
                                           SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket.valid())
      return;
    auto strangers =
      std::count_if(incoming_.begin(), incoming_.end(), [](const auto& one) {
        return one.second.from == raft::nobody;
      });
    if (static_cast<std::size_t>(strangers) >= max_strangers
        || !tunnel::same_user(socket.get())) {
      ++refused_connections_;
      continue;
    }
    tunnel::set_no_delay(socket.get());
    auto number = ++last_incoming_;
    auto& fresh = incoming_[number];
    fresh.link = connection{std::move(socket)};
    fresh.must_greet_by = now_ + greeting_patience;
    watch(fresh.link.descriptor(), token(source::from_peer, number), false);
  }
}

void host::implementation::drop_silent() {
  std::vector<std::uint64_t> silent;
  for (const auto& [number, one] : incoming_)
    if (one.from == raft::nobody && one.must_greet_by <= now_)
      silent.push_back(number);
  for (auto number : silent) {
    ++refused_connections_;
    drop_incoming(number);
  }
}

void host::implementation::drop_incoming(std::uint64_t number) {
  auto found = incoming_.find(number);
  if (found == incoming_.end())
    return;
  if (auto known = peers_.find(found->second.from);
      known != peers_.end() && known->second.incoming == number)
    known->second.incoming = 0;
  incoming_.erase(found);
}

// A connection is what its greeting says, if all of it is right.
bool host::implementation::admit(const greeting& what, std::uint64_t number) {
  auto known = peers_.find(what.from);
  if (what.cluster != options_.cluster || what.to != options_.self
      || known == peers_.end())
    return false;
  auto& from = known->second;
  if (from.incoming != 0)
    drop_incoming(from.incoming);
  from.incoming = number;
  ++from.meetings;
  auto& one = incoming_.at(number);
  one.from = what.from;
  append_frame(greet(what.from), one.link.output());
  return one.link.send();
}

void host::implementation::heard(const greeting& what) {
  peers_.at(what.from).incarnation = what.incarnation;
  formation_->heard(what.from, what.incarnation, what.first);
  if (group_)
    return;
  auto begun = formation_->begin(*state_directory_);
  if (begun && !*begun)
    return;
  auto made = begun ? begin_group() : expected<void>{begun.error()};
  if (!made) {
    problems_.push_back(made.error().message());
    return;
  }
  for (auto& [id, one] : peers_)
    if (one.greeted)
      append_frame(greet(id), one.link.output());
}

void host::implementation::on_incoming(std::uint64_t number,
                                       std::uint32_t /*events*/) {
  auto found = incoming_.find(number);
  if (found == incoming_.end())
    return;
  auto& one = found->second;
  auto alive = one.link.receive();
  for (;;) {
    auto bytes = one.link.next_frame();
    if (!bytes) {
      ++refused_connections_;
      return drop_incoming(number);
    }
    if (bytes->empty())
      break;
    auto what = decode_frame(*bytes);
    auto* hello = what ? std::get_if<greeting>(&*what) : nullptr;
    auto first = one.from == raft::nobody;
    if (!what || (first && (hello == nullptr || !admit(*hello, number)))) {
      ++refused_connections_;
      return drop_incoming(number);
    }
    if (hello == nullptr) {
      take_frame(peers_.at(one.from), std::move(*what));
    } else if (!first && hello->from != one.from) {
      ++refused_connections_;
      return drop_incoming(number);
    } else {
      heard(*hello);
    }
  }
  if (!alive)
    drop_incoming(number);
}

void host::implementation::take_frame(peer& from, frame what) {
  if (auto* one = std::get_if<reply_frame>(&what)) {
    // Only who leads is asked, so nobody else can answer.
    if (from.id == requester_.leader())
      requester_.take(std::move(*one), now_);
  } else if (!group_) {
    return;
  } else if (auto* message = std::get_if<raft_frame>(&what)) {
    if (message->group == first_group && message->what.from == from.id)
      group_->receive(std::move(message->what), now_);
  } else if (auto* request = std::get_if<request_frame>(&what)) {
    if (request->group == first_group)
      group_->request(from.id, std::move(*request));
  }
}

void host::implementation::send_all() {
  for (auto& [id, one] : peers_) {
    if (!one.connected)
      continue;
    if (one.link.has_output() && !one.link.send()) {
      drop(one);
      continue;
    }
    auto wants = one.link.has_output();
    if (wants != one.wants_writable) {
      one.wants_writable = wants;
      rewatch(one.link.descriptor(), token(source::to_peer, id), wants);
    }
  }
}

} // namespace neuroplex::agreement
