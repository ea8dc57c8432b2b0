#include "cli/cluster/cuttable_links.hpp"

#include <cerrno>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

constexpr std::size_t piece_bytes = 65'536;

} // namespace

expected<std::unique_ptr<cuttable_links>>
cuttable_links::start(const std::vector<std::uint16_t>& target_ports) {
  std::vector<way_in> ways;
  for (auto port : target_ports) {
    auto listener = tunnel::listen_on(tunnel::loopback_address(0));
    if (!listener)
      return listener.error();
    ways.push_back({std::move(*listener), port});
  }
  tunnel::socket_handle bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!bell.valid())
    return failure{errc::io, "links between nodes: no descriptor is left"};
  return std::unique_ptr<cuttable_links>{
    new cuttable_links{std::move(ways), std::move(bell)}};
}

cuttable_links::cuttable_links(std::vector<way_in> ways,
                               tunnel::socket_handle bell)
  : ways_{std::move(ways)}, bell_{std::move(bell)} {
  thread_ = std::thread{[this] { run(); }};
}

cuttable_links::~cuttable_links() {
  ask_for(wish::end);
  thread_.join();
}

std::uint16_t cuttable_links::port_to(std::size_t target_index) const {
  return tunnel::local_port(ways_.at(target_index).listener.get());
}

void cuttable_links::cut() {
  ask_for(wish::cut);
}

void cuttable_links::mend() {
  ask_for(wish::pass);
}

void cuttable_links::ask_for(wish what) {
  std::unique_lock guard{mutex_};
  wished_ = what;
  const std::uint64_t once = 1;
  static_cast<void>(::write(bell_.get(), &once, sizeof(once)));
  granted_changed_.wait(guard, [this] { return granted_ == wished_; });
}

cuttable_links::wish cuttable_links::grant() {
  std::lock_guard guard{mutex_};
  if (wished_ != wish::pass)
    links_.clear();
  granted_ = wished_;
  granted_changed_.notify_all();
  return granted_;
}

// Moves what there is; false when the link is over.
bool cuttable_links::move_bytes(end_of_link& from, end_of_link& to,
                                short readable, short writable) {
  if (((readable | writable) & (POLLERR | POLLNVAL)) != 0)
    return false;
  if (to.waiting.empty() && (readable & (POLLIN | POLLHUP)) != 0) {
    std::array<char, piece_bytes> piece;
    const auto count = ::recv(from.socket.get(), piece.data(), piece.size(), 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
      return false;
    if (count > 0)
      to.waiting.assign(piece.data(), static_cast<std::size_t>(count));
    return true;
  }
  if (to.waiting.empty() || (writable & POLLOUT) == 0)
    return true;
  const auto count =
    ::send(to.socket.get(), to.waiting.data(), to.waiting.size(), MSG_NOSIGNAL);
  if (count < 0)
    return errno == EAGAIN || errno == EINTR;
  to.waiting.erase(0, static_cast<std::size_t>(count));
  return true;
}

void cuttable_links::accept_from(const way_in& way, bool let_through) {
  tunnel::socket_handle caller{::accept4(way.listener.get(), nullptr, nullptr,
                                         SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (!caller.valid() || !let_through)
    return;
  auto target = tunnel::connect_to(tunnel::loopback_address(way.target_port));
  if (!target)
    return;
  tunnel::set_no_delay(caller.get());
  tunnel::set_no_delay(target->get());
  links_.push_back({{{std::move(caller), {}}, {std::move(*target), {}}}});
}

void cuttable_links::run() {
  std::vector<pollfd> polled;
  for (auto now = grant(); now != wish::end; now = grant()) {
    polled.assign(1, {bell_.get(), POLLIN, 0});
    for (const auto& way : ways_)
      polled.push_back({way.listener.get(), POLLIN, 0});
    for (const auto& link : links_)
      for (std::size_t i = 0; i < 2; ++i) {
        const auto reads = link[1 - i].waiting.empty() ? POLLIN : 0;
        const auto writes = link[i].waiting.empty() ? 0 : POLLOUT;
        polled.push_back(
          {link[i].socket.get(), static_cast<short>(reads | writes), 0});
      }
    if (::poll(polled.data(), polled.size(), -1) <= 0)
      continue;
    std::uint64_t rung = 0;
    if (::read(bell_.get(), &rung, sizeof(rung)) > 0)
      continue; // what is wished comes first
    auto at = polled.cbegin() + 1 + static_cast<std::ptrdiff_t>(ways_.size());
    for (auto link = links_.begin(); link != links_.end(); at += 2) {
      auto& [one, other] = *link;
      const auto lives =
        move_bytes(one, other, at[0].revents, at[1].revents)
        && move_bytes(other, one, at[1].revents, at[0].revents);
      link = lives ? std::next(link) : links_.erase(link);
    }
    for (std::size_t i = 0; i < ways_.size(); ++i)
      if (polled[1 + i].revents != 0)
        accept_from(ways_[i], now == wish::pass);
  }
}

} // namespace neuroplex::cli
