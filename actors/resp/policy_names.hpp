// Replacement policies as Redis clients write them.
//
// Purpose: what Redis calls allkeys-lru is our lru, and so on; policies that
// Redis lacks keep our names. The policies of Redis that we lack are unknown.
//
// Threads: pure functions.
#pragma once

#include "memory/policy/kind.hpp"
#include "memory/store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::resp {

/// "allkeys-lru", "allkeys-lfu", or the name that the store has for it.
[[nodiscard]] std::string_view policy_name(memory::policy_kind kind) noexcept;

/// The policy that a client means, by the name Redis or we give it, in any
/// case of letters.
[[nodiscard]] std::optional<memory::policy_kind>
parse_policy(std::string_view name) noexcept;

/// What `parse_policy` takes, for an error: "noeviction, clock, ...".
[[nodiscard]] std::string policy_choices();

/// Name of the policy of a namespace; "noeviction" when there is none.
[[nodiscard]] std::string_view policy_in_use(const memory::store& data,
                                             memory::namespace_id space);

} // namespace neuroplex::resp
