#include "tests/agreement/network.hpp"

#include "tests/agreement/checks.hpp"

#include <utility>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace neuroplex::tests {

namespace {

// Of the calling thread.
int open_namespace() {
  auto found = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (found < 0)
    fail("the network of a thread cannot be opened");
  return found;
}

void make_namespace() {
  if (::unshare(CLONE_NEWNET) != 0)
    fail("a network of its own cannot be made");
  must_run("ip link set lo up");
}

void go_to(int there) {
  if (::setns(there, CLONE_NEWNET) != 0)
    fail("a network cannot be entered");
}

} // namespace

network::place::place(int there) {
  if (there < 0)
    return;
  home_ = open_namespace();
  go_to(there);
}

network::place::~place() {
  if (home_ < 0)
    return;
  // Where it came from is there still: this descriptor holds it.
  static_cast<void>(::setns(home_, CLONE_NEWNET));
  ::close(home_);
}

network::network(network&& other) noexcept
  : hosts_{std::exchange(other.hosts_, {})}, bridge_{std::exchange(
                                               other.bridge_, -1)} {
}

network::~network() {
  for (auto one : hosts_)
    ::close(one);
  if (bridge_ >= 0)
    ::close(bridge_);
}

bool network::possible() {
  auto status = 0;
  run("command -v ip && command -v iptables && unshare -n iptables -L -n 2>&1",
      &status);
  return status == 0 && ::geteuid() == 0;
}

network network::shared(bool own) {
  if (own)
    make_namespace();
  return {};
}

network network::of_hosts(std::size_t count) {
  network made;
  make_namespace();
  made.bridge_ = open_namespace();
  must_run("ip link add bridge type bridge && ip link set bridge up");
  const std::string line = "ip link add eth0 type veth peer name ";
  const auto to_bridge = " netns /proc/" + std::to_string(::getpid()) + "/fd/"
                         + std::to_string(made.bridge_);
  for (std::size_t i = 0; i < count; ++i) {
    const auto port = "port" + std::to_string(i + 1);
    make_namespace();
    made.hosts_.push_back(open_namespace());
    must_run((line + port).append(to_bridge));
    must_run("ip address add " + made.address_of(i)
             + "/24 dev eth0 && ip link set eth0 up");
    go_to(made.bridge_);
    must_run("ip link set " + port + " master bridge up");
  }
  return made;
}

std::string network::address_of(std::size_t which) const {
  return bridge_ < 0 ? "127.0.0.1" : "10.78.0." + std::to_string(which + 1);
}

network::place network::enter(std::size_t which) const {
  return place{has_hosts() ? hosts_[which] : -1};
}

void network::deafen(std::size_t which, std::uint16_t port, bool yes) const {
  auto there = enter(which);
  must_run(
    "iptables -" + std::string{yes ? "A" : "D"} + " INPUT "
    + (has_hosts() ? "-i eth0" : "-p tcp --dport " + std::to_string(port))
    + " -j DROP");
}

void network::cut(std::size_t which, bool yes) const {
  must_run("ip link set port" + std::to_string(which + 1)
           + (yes ? " down" : " up"));
}

} // namespace neuroplex::tests
