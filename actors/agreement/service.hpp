// What agreement offers to the rest of a node, whichever protocol it is by.
//
// Purpose: the door between actors and gateway on one side and the thread that
// agrees on the other.
//
// Threads: all functions may be called by any thread; completions run in the
// thread that agrees and must not block.
//
// Invariants:
//  1. Every wish is completed once.
//  2. Nothing is answered before the disks of enough nodes have it.
//
// Failure behaviour: in the answers.
#pragma once

#include "actors/agreement/requester.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::agreement {

/// What an operator's wish came to: nothing, or why not.
using operator_answer = std::function<void(expected<void>)>;

struct peer_connection {
  raft::node_id id = raft::nobody;
  bool to_it = false;   ///< our connection stands
  bool from_it = false; ///< its connection to us stands
  raft::incarnation_number incarnation = 0;
};

class service {
public:
  service() = default;
  service(const service&) = delete;
  service& operator=(const service&) = delete;
  virtual ~service() = default;

  virtual void start() = 0;
  virtual void stop() noexcept = 0;

  /// Where peers reach it.
  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;

  /// Where a peer listens, on a loopback address; may change.
  virtual void set_peer(raft::node_id peer, const std::string& address,
                        std::uint16_t port) = 0;

  /// The group that has a key.
  [[nodiscard]] virtual group_id
  group_of(std::string_view key) const noexcept = 0;

  /// The same for many costs hardly more than one.
  virtual void submit(std::vector<wish> what) = 0;

  void submit(wish what) {
    std::vector<wish> one;
    one.push_back(std::move(what));
    submit(std::move(one));
  }

  /// On how many disks beside one an answered write is at least.
  [[nodiscard]] virtual std::size_t other_copies() const = 0;

  /// An operator's wish by its name, for one group or all (0). `bad_argument`
  /// for what this protocol does not offer.
  virtual void operate(const std::string& wish, raft::node_id node,
                       group_id group, operator_answer done) = 0;
};

} // namespace neuroplex::agreement
