// What travels between the replicas of one shard.
//
// Purpose: the messages of `crdt::delta_synchronizer`, with who sends them, and
// beside them those that measure how fresh a replica is and compare two.
//
// Threads: pure functions; a `frame_packer` belongs to one thread.
//
// Invariants: what is accepted names the sender once, and is at most
// limits::max_message_bytes long, packed or not.
//
// Failure behaviour: bad bytes are refused whole with `protocol`, `version` or
// `wrong_type`.
#pragma once

#include "actors/replica/fact.hpp"
#include "crdt/digest.hpp"
#include "memory/compression.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::replica {

enum class frame_kind : std::uint8_t {
  deltas,      ///< changes first..last of the sender, joined
  acknowledge, ///< all up to `last` was joined
  ask,         ///< tell me your digest
  digest,      ///< mine: tell me what I lack
  part,        ///< some of what your digest lacks: tell me the digest again
  probe,       ///< which of your changes were answered for by now?
  probed,      ///< those up to `last`
  compare,     ///< my digest: where do we differ?
  compared,    ///< mine, and the facts that you lack
  question,    ///< a read that the sender is too old for
  answered,    ///< its answer; without one, the receiver is too old as well
};

inline constexpr std::uint8_t frame_kind_count =
  static_cast<std::uint8_t>(frame_kind::answered) + 1;

struct frame {
  frame_kind kind = frame_kind::deltas;
  crdt::replica_id from{};
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  /// Of a probe, comparison or question; repeated in the answer.
  std::uint64_t token = 0;
  std::optional<fact_delta> delta{};
  std::optional<crdt::state_digest> digest{};

  /// What the sender knew as it made these changes, where causality counts.
  std::optional<crdt::causal_context> knows{};

  /// A question, or its answer.
  std::optional<std::string> body{};
};

[[nodiscard]] std::string encode(const frame& what);
[[nodiscard]] expected<frame> decode(std::string_view bytes);

/// Packs with LZ4 what becomes shorter by it. Whether it pays is measured.
class frame_packer {
public:
  [[nodiscard]] std::string pack(std::string plain);
  [[nodiscard]] static expected<std::string> unpack(std::string_view bytes);

private:
  memory::value_packer packer_;
};

} // namespace neuroplex::replica
