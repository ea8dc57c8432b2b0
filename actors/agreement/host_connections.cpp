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
  if (!was_greeted)
    return;
  if (formed_)
    for (auto& one : seats_)
      one->part->lost_peer(to.id, now_);
  touch_all();
}

greeting host::implementation::greet(raft::node_id to) const {
  return {.cluster = options_.cluster,
          .from = options_.self,
          .to = to,
          .incarnation = formation_->incarnation(),
          .groups = options_.groups,
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
        || hello->from != to.id || hello->to != options_.self
        || !agrees_on_groups(*hello))
      return drop(to);
    if (!std::exchange(to.greeted, true))
      met(to);
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
      known != peers_.end() && known->second.incoming == number) {
    known->second.incoming = 0;
    touch_all();
  }
  incoming_.erase(found);
}

// A connection is what its greeting says, if all of it is right.
bool host::implementation::admit(const greeting& what, std::uint64_t number) {
  auto known = peers_.find(what.from);
  if (what.cluster != options_.cluster || what.to != options_.self
      || known == peers_.end() || !agrees_on_groups(what))
    return false;
  auto& from = known->second;
  if (from.incoming != 0)
    drop_incoming(from.incoming);
  from.incoming = number;
  met(from);
  auto& one = incoming_.at(number);
  one.from = what.from;
  append_frame(greet(what.from), one.link.output());
  return one.link.send();
}

void host::implementation::met(peer& who) {
  ++who.meetings;
  who.met_at = now_;
  touch_all();
}

// Keys would be in other groups there.
bool host::implementation::agrees_on_groups(const greeting& what) {
  if (what.groups == options_.groups)
    return true;
  auto problem = "raft: node " + std::to_string(what.from) + " has "
                 + std::to_string(what.groups) + " groups, this node "
                 + std::to_string(options_.groups)
                 + ": raft.groups must be the same on all nodes";
  if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end())
    problems_.push_back(std::move(problem));
  return false;
}

void host::implementation::heard(const greeting& what) {
  peers_.at(what.from).incarnation = what.incarnation;
  formation_->heard(what.from, what.incarnation, what.first);
  if (formed_)
    return;
  auto begun = formation_->begin(*state_directory_);
  if (begun && !*begun)
    return;
  auto made = begun ? begin_groups() : expected<void>{begun.error()};
  if (!made) {
    problems_.push_back(made.error().message());
    return;
  }
  campaign_at_home();
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
    if (is_order_tag(one->tag))
      return take_order_reply(*one);
    // Only who leads is asked, so nobody else can answer.
    if (auto* where = find_seat(one->group);
        where != nullptr && from.id == where->asks.leader()) {
      where->asks.take(std::move(*one), now_);
      touch(*where);
    }
  } else if (!formed_) {
    return;
  } else if (auto* beats = std::get_if<beats_frame>(&what)) {
    take_beats(from, *beats);
  } else if (auto* message = std::get_if<raft_frame>(&what)) {
    if (auto* where = find_seat(message->group);
        where != nullptr && message->what.from == from.id
        && where->part->receive(std::move(message->what), now_))
      touch(*where);
  } else if (auto* request = std::get_if<request_frame>(&what)) {
    if (auto* where = find_seat(request->group)) {
      where->part->request(from.id, std::move(*request));
      touch(*where);
    }
  } else if (auto* order = std::get_if<order_frame>(&what)) {
    take_order(from.id, *order);
  }
}

void host::implementation::take_beats(peer& from, const beats_frame& what) {
  for (const auto& one : what.beats) {
    auto* where = find_seat(one.group);
    if (where == nullptr)
      continue;
    raft::message message{.from = from.id,
                          .to = options_.self,
                          .incarnation = what.incarnation,
                          .term = one.term};
    if (what.replies)
      message.body = raft::heartbeat_reply{one.round};
    else
      message.body = raft::heartbeat{one.commit, one.round};
    if (where->part->receive(std::move(message), now_))
      touch(*where);
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
