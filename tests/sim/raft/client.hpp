// A client of a simulated group: one operation at a time, in a session.
//
// Purpose: reads, writes and swaps registers through whichever node it believes
// to lead. A command that got no answer is sent again under the same sequence
// number, to another node; after some tries the client gives up, and the
// outcome is unknown. It is certain that nothing happened only if every try was
// refused.
//
// Threads: none; belongs to the kernel.
//
// Invariants: one operation at a time; all of them are in the history.
#pragma once

#include "tests/sim/history.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/raft/host.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace neuroplex::sim {

struct client_settings {
  std::uint32_t number = 0;
  std::uint32_t keys = 4;
  nanoseconds patience{};        ///< for one try
  nanoseconds longest_thought{}; ///< between operations
  unsigned most_tries = 6;
  unsigned reads_of_ten = 4;
  /// The network may deliver a request again after it was refused, so that a
  /// refusal proves nothing.
  bool requests_may_repeat = false;
};

class raft_client {
public:
  raft_client(kernel& world, network& links, history& told,
              const client_settings& settings,
              std::vector<std::unique_ptr<raft_host>>& nodes);
  raft_client(const raft_client&) = delete;
  raft_client& operator=(const raft_client&) = delete;

  void begin();

  /// Ends after the operation that is under way.
  void end() noexcept {
    active_ = false;
  }

  /// One operation apart from the usual ones; `done` says whether it worked.
  void ask(verb what, std::uint32_t key, std::function<void(bool)> done);

  [[nodiscard]] bool is_busy() const noexcept {
    return busy_;
  }

  [[nodiscard]] std::uint64_t succeeded() const noexcept {
    return succeeded_;
  }

private:
  void think();
  void try_once();
  void heard(std::uint64_t sequence, unsigned attempt, reply what,
             raft::node_id leader);
  void finish(reply what);

  kernel& world_;
  network& links_;
  history& told_;
  client_settings settings_;
  std::vector<std::unique_ptr<raft_host>>& nodes_;
  dice dice_;
  network::end_point place_;
  bool active_ = false;
  bool busy_ = false;
  bool perhaps_taken_ = false; ///< some try of this operation got no answer
  unsigned tries_ = 0;
  std::size_t believed_leader_ = 0;
  std::uint64_t succeeded_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  std::vector<register_value> last_seen_; ///< by key
  command asked_;
  history::number entry_ = 0;
  std::function<void(bool)> done_;
};

} // namespace neuroplex::sim
