// Where a graph lies in a shard of replicated facts.
//
//   key          field of a hash                        value
//   'c' id       "f"                                    life, entry
//   'c' id       's' life replica                       added, factor
//   'c' source   'a' target qualifier, name of a type   weight, confidence
//   "types"      name of a type of associations         its phrase
//   "vectors"    "dimensions"                           digits
//
// The entry is one of kind learn_concept (storage/concept/entry_codec.hpp).
// Keys have the 32 digits of an id, so that people can read them; elsewhere ids
// have 16 bytes, a life 16, a replica 8, a qualifier 2, weight and confidence 4
// each, added and factor 8 each, all little-endian.
//
// Threads: pure functions.
//
// Failure behaviour: what another node wrote and nobody can read is nothing.
#pragma once

#include "actors/replica/shard_state.hpp"
#include "storage/concept/write_entry.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::concept_replica {

inline constexpr std::string_view types_key = "types";
inline constexpr std::string_view vectors_key = "vectors";
inline constexpr std::string_view dimensions_field = "dimensions";

/// What was learnt of a concept, and since when. Each time it is learnt a life
/// begins: what strengthens and weakens it counts for the life that it saw.
struct learnt_concept {
  crdt::dot life{};
  concepts::write_entry facts{}; ///< `amount` is the strength it began with
};

/// What one replica has done to the strength of a concept in one of its lives.
/// The strength is (begun with + sum of what was added) * product of factors:
/// what is added is divided by the factor that its replica sees, so a decay
/// weakens all that it did not come before.
struct strength_share {
  double added = 0;
  double factor = 1;
};

/// An association as a field says it, without its source.
struct association_field {
  concepts::concept_id target{};
  std::uint16_t qualifier = 0;
  std::string type{};
};

struct association_strength {
  float weight = 1;
  float confidence = 1;
};

[[nodiscard]] std::string key_of(const concepts::concept_id& id);
[[nodiscard]] std::optional<concepts::concept_id> id_of(std::string_view key);

/// The field with what was learnt of the concept.
[[nodiscard]] const replica::shard_state::place& learnt_place();
[[nodiscard]] std::string encode_learnt(const crdt::dot& life,
                                        const concepts::write_entry& facts);
[[nodiscard]] std::optional<learnt_concept>
decode_learnt(std::string_view bytes, const concepts::concept_id& id);

/// What the names of all shares of a life begin with; without one, of all
/// shares.
[[nodiscard]] std::string share_prefix();
[[nodiscard]] std::string share_prefix(const crdt::dot& life);
[[nodiscard]] std::string share_name(const crdt::dot& life,
                                     crdt::replica_id whose);
[[nodiscard]] std::string encode(const strength_share& what);
[[nodiscard]] std::optional<strength_share>
decode_share(std::string_view bytes) noexcept;

/// What the names of all associations with a target begin with; without one,
/// of all associations.
[[nodiscard]] std::string association_prefix();
[[nodiscard]] std::string
association_prefix(const concepts::concept_id& target);
[[nodiscard]] std::string association_name(const association_field& what);
[[nodiscard]] std::optional<association_field>
decode_association_name(std::string_view name);
[[nodiscard]] std::string encode(const association_strength& what);
[[nodiscard]] std::optional<association_strength>
decode_strength(std::string_view bytes) noexcept;

} // namespace neuroplex::concept_replica
