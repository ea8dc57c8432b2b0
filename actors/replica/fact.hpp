// What a replica knows: facts, each under the dot of the change that made it.
//
// Purpose: the state of a shard is a map of keys to registers, counters, sets
// and hashes under one causal context. It is kept flat, as one function from
// dots to facts (`dot_fun` of crdt/dot_stores.hpp), since a change of one
// member of one set must not cost a walk over the rest.
//
// Threads: plain values.
//
// Invariants: a fact never changes; its dot names it for ever.
//
// Failure behaviour: bytes that are no facts are refused by the decoder.
#pragma once

#include "crdt/hybrid_clock.hpp"
#include "crdt/state.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace neuroplex::replica {

/// What a fact says of its key, and the order in which types win when two were
/// written at the same time.
enum class fact_kind : std::uint8_t {
  field,         ///< of a hash: name, value, when it was written
  field_counter, ///< of a hash: name, what one replica has counted
  member,        ///< of a set: the member
  counter,       ///< what one replica has counted
  text,          ///< a register: value, when it was written
};

inline constexpr std::uint8_t fact_kind_count =
  static_cast<std::uint8_t>(fact_kind::text) + 1;

[[nodiscard]] constexpr bool has_name(fact_kind kind) noexcept {
  return kind <= fact_kind::member;
}

[[nodiscard]] constexpr bool is_counter(fact_kind kind) noexcept {
  return kind == fact_kind::counter || kind == fact_kind::field_counter;
}

[[nodiscard]] constexpr bool is_register(fact_kind kind) noexcept {
  return kind == fact_kind::field || kind == fact_kind::text;
}

struct fact {
  fact_kind kind = fact_kind::text;
  std::string key{};
  std::string name{};               ///< of a field or member
  std::string value{};              ///< of a register
  std::int64_t number = 0;          ///< of a counter
  crdt::hybrid_timestamp written{}; ///< of a register

  friend bool operator==(const fact&, const fact&) = default;
};

/// What a fact with a key, a name and a value of these sizes takes in a message
/// that tells all, where it follows another of the same replica.
[[nodiscard]] std::size_t encoded_bytes(fact_kind kind, std::size_t key_bytes,
                                        std::size_t name_bytes,
                                        std::size_t value_bytes) noexcept;

/// A change, or all that there is: facts, and the dots that were seen.
class fact_delta
  : public crdt::state<fact_delta, crdt::causal<crdt::dot_fun<fact>>> {
public:
  [[nodiscard]] static fact_delta of(lattice_type all) {
    fact_delta result;
    result.lattice_ = std::move(all);
    return result;
  }

  /// Sorted by dot.
  [[nodiscard]] const std::vector<std::pair<crdt::dot, fact>>&
  facts() const noexcept {
    return lattice_.store.values;
  }

  [[nodiscard]] bool empty() const noexcept {
    return lattice_.context.empty();
  }
};

} // namespace neuroplex::replica

template <>
struct neuroplex::crdt::codec<neuroplex::replica::fact> {
  static void describe(std::string& out) {
    out += "replica_fact";
  }

  /// `bad_key`, `key_size` or `value_size`.
  static expected<void> check(const replica::fact& what);
  static void write(encoder& out, const replica::fact& what);
  static replica::fact read(decoder& in);
};
