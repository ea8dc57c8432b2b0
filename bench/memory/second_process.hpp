// The second process attached to what is measured.
//
// Purpose: figures are taken with two processes attached. The second one is
// forked before anything is mapped, opens segment and database by itself, keeps
// to its own CPU, and either sleeps on its pipe or does what it is told.
//
// Ownership: the parent owns the child and ends it with the object. Both share
// one page for barriers and for the bare ping-pong.
//
// Failure behaviour: when one side dies the other ends the program; waits are
// bounded.
#pragma once

#include "bench/memory/workload.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace neuroplex::bench {

/// What both processes spin on, each on a line of its own.
struct shared_page {
  alignas(64) std::atomic<std::uint64_t> ball;
  alignas(64) std::atomic<std::uint32_t> arrived;
};

/// What the second process is to do.
struct order {
  enum class kind : std::uint8_t {
    attach_store, ///< open the segment at `path`, read once through it
    attach_lmdb,  ///< open the database at `path`
    detach,       ///< close both
    run_store,    ///< meet at the barrier, then run `what`
    run_lmdb,
    ball,     ///< the other side of the bare ping-pong
    exchange, ///< the other side of the exchange through the segment
    quit,
  };

  kind action{};
  operation what{};
  std::uint64_t count = 0; ///< entries, or rounds
  std::uint64_t seed = 0;
  double seconds = 0;
  char path[256] = {};
};

class second_process {
public:
  /// Forks; the child stays on `cpu`.
  explicit second_process(int cpu);
  second_process(const second_process&) = delete;
  second_process& operator=(const second_process&) = delete;
  ~second_process();

  /// Starts an order; `finish` waits for its sample.
  void start(const order& what);
  sample finish();

  /// Both at once.
  sample carry_out(const order& what);

  [[nodiscard]] shared_page& page() noexcept {
    return *page_;
  }

private:
  pid_t child_ = -1;
  int socket_ = -1;
  shared_page* page_ = nullptr;
};

/// Waits until both processes have called it; ends the program after a minute.
void meet(shared_page& page);

/// An order with its path filled in.
order make_order(order::kind action, const std::string& path);

} // namespace neuroplex::bench
