// Clients of a simulated group where some may lie: honest ones and one that
// lies.
//
// Purpose: the honest one reads, writes and swaps registers, one operation at a
// time, through a core of its own (`Node`: that of PBFT or of the hybrid); when
// its patience ends, the outcome is unknown and it goes on. The liar asks for
// things whose MACs are right at some replicas only, and for different things
// under one number.
//
// Threads: none; belongs to the kernel.
//
// Invariants: one operation at a time; all of the honest are in the history.
#pragma once

#include "consensus/hybrid/client.hpp"
#include "consensus/pbft/client.hpp"
#include "tests/sim/history.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/pbft/host.hpp"

#include <functional>
#include <memory>
#include <type_traits>

namespace neuroplex::sim {

struct group_client_settings {
  pbft::options core{};
  std::uint32_t number = 0;
  std::uint32_t keys = 4;
  nanoseconds patience{};        ///< for an operation
  nanoseconds longest_thought{}; ///< between operations
  unsigned reads_of_ten = 4;
};

/// What the world wants to know of a client.
struct client_watch {
  /// Somebody is about to ask for this, or for what the packet holds.
  std::function<void(pbft::node_id client, std::string_view operation)> asks{};
  std::function<void(const pbft::packet& what)> sends{};
  /// What one replica alone says counts for nothing if it lies.
  std::function<bool(pbft::node_id replica)> lies{};
};

template <class Node>
class group_client {
public:
  group_client(kernel& world, carrier carry, history& told,
               client_watch watched, const group_client_settings& settings,
               std::shared_ptr<const pbft::crypto> keys);
  group_client(const group_client&) = delete;
  group_client& operator=(const group_client&) = delete;

  void begin();

  /// Ends after the operation that is under way.
  void end() noexcept {
    active_ = false;
  }

  /// One operation apart from the usual ones; `done` says whether it worked.
  void ask(verb what, std::uint32_t key, std::function<void(bool)> done);

  void receive(const pbft::packet& what);

  [[nodiscard]] bool is_busy() const noexcept {
    return busy_;
  }

private:
  using wishes =
    std::conditional_t<std::is_same_v<Node, pbft::client>, pbft::client_effects,
                       hybrid::client_effects>;

  void think();
  void carry_out(wishes& wanted);
  void arm();
  void finish(const reply& what);

  kernel& world_;
  carrier carry_;
  history& told_;
  client_watch watched_;
  group_client_settings settings_;
  dice dice_;
  std::unique_ptr<Node> node_;
  bool active_ = false;
  bool busy_ = false;
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  std::vector<register_value> last_seen_; ///< by key
  command asked_;
  history::number entry_ = 0;
  std::function<void(bool)> done_;
};

using pbft_client = group_client<pbft::client>;
using hybrid_client = group_client<hybrid::client>;

class lying_client {
public:
  lying_client(kernel& world, carrier carry, pbft::options settings,
               std::uint32_t key, std::shared_ptr<const pbft::crypto> keys);

  /// One request after the other, for ever.
  void begin(nanoseconds pace);

private:
  void say();

  kernel& world_;
  carrier carry_;
  pbft::options settings_;
  std::uint32_t key_;
  std::shared_ptr<const pbft::crypto> keys_;
  dice dice_;
  nanoseconds pace_{};
  pbft::timestamp number_ = 0;
};

} // namespace neuroplex::sim
