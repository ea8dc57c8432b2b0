// Networks of the program's own, in which it may cut what it likes.
//
// Purpose: either one network in which all nodes share a loopback interface, or
// a host for each node, with an address of its own on a common bridge. They
// have no names, and are gone when nobody is in them any more.
//
// Threads: a thread is in one network at a time; what it starts and the sockets
// it makes are there. `place` is for the thread that made it.
//
// Failure behaviour: `possible` says whether this process may; afterwards the
// program fails (checks.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::tests {

class network {
public:
  /// The calling thread is on a host as long as this lives.
  class place {
  public:
    explicit place(int there);
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place();

  private:
    int home_ = -1;
  };

  /// Needs root, ip and iptables.
  [[nodiscard]] static bool possible();

  /// The loopback interface of a network of its own, from now on that of the
  /// calling thread, and of threads that it makes; with `own` false that of
  /// the machine, where nothing can be cut.
  static network shared(bool own);

  /// Hosts with addresses; the calling thread goes to their bridge.
  static network of_hosts(std::size_t count);

  network(network&& other) noexcept;
  network(const network&) = delete;
  network& operator=(const network&) = delete;
  ~network();

  [[nodiscard]] bool has_hosts() const noexcept {
    return !hosts_.empty();
  }

  /// Where other hosts reach one; the loopback address without hosts.
  [[nodiscard]] std::string address_of(std::size_t which) const;

  /// Goes to a host; stays where it is without hosts.
  [[nodiscard]] place enter(std::size_t which) const;

  /// What others send to a host is lost, on the port without hosts.
  void deafen(std::size_t which, std::uint16_t port, bool yes) const;

  /// Nothing passes to or from a host. Needs hosts.
  void cut(std::size_t which, bool yes) const;

private:
  network() = default;

  std::vector<int> hosts_; // descriptors of their namespaces
  int bridge_ = -1;
};

} // namespace neuroplex::tests
