// The replacement policies that a namespace of the store can have, by name:
// the one list for settings, flags and protocols.
//
// Threads: plain values.
#pragma once

#include "memory/order.hpp"
#include "memory/policy/kind.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::memory {

/// Whether a namespace can have this policy, be it to evict nothing.
constexpr bool is_store_policy(policy_kind kind) noexcept {
  return kind == policy_kind::noeviction || evicts_by(kind);
}

namespace detail {

consteval std::size_t count_store_policies() {
  std::size_t count = 0;
  for (std::uint8_t i = 0; i < policy_kind_count; ++i)
    count += is_store_policy(static_cast<policy_kind>(i)) ? 1 : 0;
  return count;
}

consteval auto collect_store_policies() {
  std::array<policy_kind, count_store_policies()> result{};
  std::size_t count = 0;
  for (std::uint8_t i = 0; i < policy_kind_count; ++i)
    if (is_store_policy(static_cast<policy_kind>(i)))
      result[count++] = static_cast<policy_kind>(i);
  return result;
}

consteval auto name_store_policies() {
  std::array<std::string_view, count_store_policies()> result{};
  std::size_t count = 0;
  for (auto kind : collect_store_policies())
    result[count++] = to_string(kind);
  return result;
}

} // namespace detail

/// All of them, in the order of their numbers.
inline constexpr auto store_policies = detail::collect_store_policies();

/// Their names: "noeviction", "clock", and so on.
inline constexpr auto store_policy_names = detail::name_store_policies();

} // namespace neuroplex::memory
