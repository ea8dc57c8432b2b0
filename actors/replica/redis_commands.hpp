// Commands of Redis clients on a namespace of replicas.
//
// Purpose: what each command means for the values of a shard, and what it
// answers. doc/replicated-types.md tells it to users.
//
// Threads: pure functions on a core.
//
// Invariants:
//  1. A command that replicas cannot give, since its reply would promise
//     something about all nodes, is refused with the kind of namespace that
//     can.
//  2. A command that is refused has changed nothing.
#pragma once

#include "actors/replica/core.hpp"
#include "actors/resp/byte_buffer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::replica {

using command_words = std::vector<std::string>;

/// How values that were written at the same time are shown.
enum class concurrent_values : std::uint8_t {
  last, ///< the one that was written last
  all,  ///< all of them, as an array when there is more than one
};

/// What a command will do, by its name and form alone.
struct command_nature {
  bool changes = false;
  std::size_t bytes = 0; ///< about, of what it writes
  /// Its reply when it is not offered here or too long; empty if it is.
  std::string refusal{};
  /// What the session has seen, by its token: what comes must wait for it.
  std::optional<crdt::causal_context> after{};
};

[[nodiscard]] command_nature nature_of(const command_words& words);

/// Executes a command that is offered, and appends its reply.
void execute(core& replica, const moment& now, const command_words& words,
             concurrent_values shown, std::uint8_t protocol,
             resp::byte_buffer& output);

} // namespace neuroplex::replica
