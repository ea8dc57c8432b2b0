// What the gateway needs of the rest of the cluster: who owns a key, and a way
// to have a command executed there.
//
// Purpose: keeps routing out of the protocol code. A command for a key of
// another node travels as it is (database, protocol version, arguments) and
// its reply comes back as finished RESP bytes, so that every command is atomic
// at the owner and no command needs a message type of its own.
//
// Threads: all functions are called by the server's loop thread. A completion
// must run on that thread too, exactly once, at any time after `submit`
// returned (a server offers `post` for that).
//
// Invariants:
//  1. Commands submitted by one connection to one owner are executed there in
//     the order of submission.
//  2. Every completion runs, within a bounded time: an owner that does not
//     answer gives `unavailable` (not applied) or `unknown_outcome`.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::resp {

/// A node of the cluster as the gateway names it; 0 is this node.
enum class owner_id : std::uint32_t { here = 0 };

struct remote_command {
  std::uint64_t connection = 0; ///< of the client, for the order
  std::uint32_t database = 0;
  std::uint8_t protocol = 2;
  std::vector<std::string> arguments;
  /// Of EXEC: what MULTI has gathered, to be executed as a whole.
  std::vector<std::vector<std::string>> gathered{};
};

struct remote_reply {
  errc code = errc::ok;
  std::string bytes; ///< one whole RESP reply when code is ok
};

using remote_completion = std::function<void(remote_reply)>;

class remote {
public:
  virtual ~remote() = default;

  /// Who serves `key` of `database`.
  [[nodiscard]] virtual owner_id owner_of(std::uint32_t database,
                                          std::string_view key) const = 0;

  /// The other nodes that serve keys, in an order that does not change while
  /// the members do not.
  [[nodiscard]] virtual std::vector<owner_id> others() const = 0;

  /// Whether all nodes have all keys of `database`, and change them only by
  /// what `owner_of` names: nothing may be changed past it.
  [[nodiscard]] virtual bool agreed(std::uint32_t /*database*/) const {
    return false;
  }

  /// The owners that together have all keys of `database`, where those are not
  /// the nodes; empty where they are.
  [[nodiscard]] virtual std::vector<owner_id>
  shards_of(std::uint32_t /*database*/) const {
    return {};
  }

  /// Nodes that surely have each answered write to `database`, beside one.
  [[nodiscard]] virtual std::size_t other_copies(std::uint32_t) const {
    return 0;
  }

  /// Has `command` executed at `owner`.
  virtual void submit(owner_id owner, remote_command command,
                      remote_completion completion) = 0;

  /// A turn of the loop has ended: what was submitted in it and kept back must
  /// be on its way now.
  virtual void flush() {
  }
};

} // namespace neuroplex::resp
