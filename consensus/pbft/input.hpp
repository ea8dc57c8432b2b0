// What happens to a PBFT replica.
//
// Purpose: the inputs of `core::step`. Each is something that the driver saw.
//
// Threads: plain values.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/pbft/message.hpp"

#include <variant>

namespace neuroplex::pbft {

/// Time has passed. Comes at core::next_deadline() at the latest.
struct tick {};

/// A packet from the network; who sent it is told by its bytes and shown by its
/// tag. `what.to` is not looked at.
struct received {
  packet what{};
};

/// The state machine has executed effects::executions up to this one. With a
/// result a request, and with the pieces of its state where they were wanted.
struct executed {
  sequence_number sequence = 0;
  std::vector<slice> results{};
  std::vector<slice> pieces{};
};

/// Answer to effects::reads.
struct read_answered {
  node_id client = nobody;
  timestamp number = 0;
  slice result{};
};

/// All writes up to this one are durable.
struct persisted {
  write_id write = 0;
};

/// A write or a sync failed. What the disk holds is unknown, so the replica
/// stops for good; a sync that is tried again may lie.
struct persist_failed {};

/// Answer to effects::install: the state machine has the state.
struct installed {
  sequence_number sequence = 0;
};

using input = std::variant<tick, received, executed, read_answered, persisted,
                           persist_failed, installed>;

} // namespace neuroplex::pbft
