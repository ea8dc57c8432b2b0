// Registers, counters, sets and hashes over the facts of a shard.
//
// Purpose: what each operation of a client means for the dots. A register is
// all values that no later write has seen, and shows the last of them by
// (timestamp, writer, value); a counter is the sum of what each replica has
// counted; an element of a set or a field of a hash that is added wins over a
// remove that has not seen it.
//
// Threads: pure functions on a state.
//
// Invariants: a key has one type, which its first write gives it. Where two
// were written at the same time, the first in the order of `fact_kind` counts
// until the conflict is resolved.
//
// Failure behaviour: an operation that fails has changed nothing. `wrong_type`,
// `overflow`, the codes of `codec<fact>::check`, and `busy` while the disk has
// reserved no counters.
#pragma once

#include "actors/replica/shard_state.hpp"
#include "crdt/conflict_resolver.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace neuroplex::replica {

enum class value_type : std::uint8_t { none, hash, set, counter, text };

/// As the command TYPE names it.
[[nodiscard]] std::string_view type_name(value_type type) noexcept;

__extension__ using wide_sum = __int128;

[[nodiscard]] std::string to_text(wide_sum sum);

// -- reading ------------------------------------------------------------------

[[nodiscard]] value_type type_of(const shard_state::entry* entry) noexcept;

/// The version of a register that was written last.
[[nodiscard]] const shard_state::version&
latest(const std::vector<shard_state::version>& versions);

[[nodiscard]] wide_sum sum_of(const std::vector<shard_state::version>& shares);

/// What a field of a hash shows; nothing when there is none.
[[nodiscard]] std::optional<std::string>
field_value(const shard_state::entry& hash, const std::string& name);

/// Names of all fields, or members.
[[nodiscard]] std::vector<std::string>
field_names(const shard_state::entry& hash);
[[nodiscard]] std::vector<std::string>
member_names(const shard_state::entry& set);

// -- writing ------------------------------------------------------------------

/// Who writes, and into what.
struct write_context {
  shard_state& state;
  change_batch& changes;
  crdt::replica_id by;
  std::uint64_t& counter;     ///< of the last dot
  std::uint64_t reserved = 0; ///< the last counter that may be used
  crdt::hybrid_timestamp now{};
};

/// Whatever the key was, it is a register with this value then.
[[nodiscard]] errc set_text(const write_context& how, std::string_view key,
                            std::string value);

/// False when there was nothing.
bool erase(const write_context& how, std::string_view key);

/// The sum as far as it is known here.
[[nodiscard]] expected<std::int64_t>
add(const write_context& how, std::string_view key, std::int64_t amount);

/// How many were not members before.
[[nodiscard]] expected<std::size_t>
add_members(const write_context& how, std::string_view key,
            std::span<const std::string> members);
[[nodiscard]] expected<std::size_t>
remove_members(const write_context& how, std::string_view key,
               std::span<const std::string> members);

/// How many fields were not there before.
[[nodiscard]] expected<std::size_t>
set_fields(const write_context& how, std::string_view key,
           std::span<const std::pair<std::string, std::string>> fields);
[[nodiscard]] expected<std::size_t>
remove_fields(const write_context& how, std::string_view key,
              std::span<const std::string> names);
[[nodiscard]] expected<std::int64_t> add_to_field(const write_context& how,
                                                  std::string_view key,
                                                  const std::string& name,
                                                  std::int64_t amount);

/// Answers the value that stands for concurrent ones, of which there are two or
/// more, sorted by (timestamp, writer). A pure function.
using text_resolver = crdt::conflict_resolver<std::string>;

/// Writes what `resolver` answers where values were written at the same time,
/// and drops the types that do not count. How many places that were.
[[nodiscard]] expected<std::size_t> resolve(const write_context& how,
                                            const text_resolver& resolver);

} // namespace neuroplex::replica
