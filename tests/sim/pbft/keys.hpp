// Cheap cryptography of a simulated group.
//
// Purpose: what a party cannot forge is a hash that takes a secret of the
// world. A liar has an object of its own and nothing else, so that it can say
// anything in its own name and nothing in another's: the world keeps the rule
// that real keys keep by being hard to guess.
//
// Threads: immutable.
#pragma once

#include "consensus/pbft/crypto.hpp"

#include <memory>

namespace neuroplex::sim {

/// Of party `id` in the world with that secret.
[[nodiscard]] std::shared_ptr<const pbft::crypto>
simulated_keys(std::uint64_t secret, pbft::node_id id);

/// Those of a liar, which takes every signature for good.
[[nodiscard]] std::shared_ptr<const pbft::crypto>
gullible_keys(std::shared_ptr<const pbft::crypto> own);

/// The real ones, for the parties 1 to `parties`; slow.
[[nodiscard]] std::shared_ptr<const pbft::crypto>
real_keys(std::uint64_t secret, pbft::node_id id, pbft::node_id parties);

} // namespace neuroplex::sim
