#include "actors/concept_replica/layout.hpp"

#include "storage/concept/entry_codec.hpp"
#include "storage/concept/limits.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace neuroplex::concept_replica {

namespace {

using concepts::concept_id;
using concepts::entry_kind;

static_assert(std::endian::native == std::endian::little,
              "a big-endian machine would have to swap");

constexpr char concept_mark = 'c';
constexpr char share_mark = 's';
constexpr char association_mark = 'a';

template <class Number>
void append(std::string& to, Number number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <class Number>
bool take(std::string_view& from, Number& number) noexcept {
  if (from.size() < sizeof number)
    return false;
  std::memcpy(&number, from.data(), sizeof number);
  from.remove_prefix(sizeof number);
  return true;
}

void append(std::string& to, const concept_id& id) {
  append(to, id.high);
  append(to, id.low);
}

bool take(std::string_view& from, concept_id& id) noexcept {
  return take(from, id.high) && take(from, id.low);
}

void append(std::string& to, const crdt::replica_id& whose) {
  append(to, whose.node);
  append(to, whose.incarnation);
}

void append(std::string& to, const crdt::dot& life) {
  append(to, life.replica);
  append(to, life.counter);
}

bool take(std::string_view& from, crdt::dot& life) noexcept {
  return take(from, life.replica.node) && take(from, life.replica.incarnation)
         && take(from, life.counter);
}

bool take_mark(std::string_view& from, char mark) noexcept {
  if (!from.starts_with(mark))
    return false;
  from.remove_prefix(1);
  return true;
}

} // namespace

std::string key_of(const concept_id& id) {
  return concept_mark + id.to_string();
}

std::optional<concept_id> id_of(std::string_view key) {
  auto id = take_mark(key, concept_mark) ? concept_id::parse(key)
                                         : std::optional<concept_id>{};
  // Digits may be written in two ways; a key may not.
  if (id && id->to_string() != key)
    id.reset();
  return id;
}

const replica::shard_state::place& learnt_place() {
  static const replica::shard_state::place where{replica::fact_kind::field,
                                                 "f"};
  return where;
}

std::string encode_learnt(const crdt::dot& life,
                          const concepts::write_entry& facts) {
  std::string bytes;
  append(bytes, life);
  concepts::encode(facts, bytes);
  return bytes;
}

std::optional<learnt_concept> decode_learnt(std::string_view bytes,
                                            const concept_id& id) {
  learnt_concept result;
  if (!take(bytes, result.life)
      || concepts::decode(bytes, result.facts) != errc::ok || !bytes.empty()
      || result.facts.kind != entry_kind::learn_concept
      || result.facts.id != id)
    return std::nullopt;
  for (std::uint32_t i = 0; i < result.facts.dimensions; ++i) {
    float number = 0;
    std::memcpy(&number, result.facts.body.get() + i * sizeof number,
                sizeof number);
    if (!std::isfinite(number))
      return std::nullopt;
  }
  return result;
}

std::string share_prefix() {
  return {share_mark};
}

std::string share_prefix(const crdt::dot& life) {
  auto name = share_prefix();
  append(name, life);
  return name;
}

std::string share_name(const crdt::dot& life, crdt::replica_id whose) {
  auto name = share_prefix(life);
  append(name, whose);
  return name;
}

std::string encode(const strength_share& what) {
  std::string bytes;
  append(bytes, what.added);
  append(bytes, what.factor);
  return bytes;
}

std::optional<strength_share> decode_share(std::string_view bytes) noexcept {
  strength_share result;
  if (!take(bytes, result.added) || !take(bytes, result.factor)
      || !bytes.empty() || !std::isfinite(result.added) || result.added < 0
      || !(result.factor >= 0 && result.factor <= 1))
    return std::nullopt;
  return result;
}

std::string association_prefix() {
  return {association_mark};
}

std::string association_prefix(const concept_id& target) {
  auto name = association_prefix();
  append(name, target);
  return name;
}

std::string association_name(const association_field& what) {
  auto name = association_prefix(what.target);
  append(name, what.qualifier);
  return name + what.type;
}

std::optional<association_field>
decode_association_name(std::string_view name) {
  association_field result;
  if (!take_mark(name, association_mark) || !take(name, result.target)
      || !take(name, result.qualifier) || name.empty()
      || name.size() > concepts::limits::max_type_name_bytes)
    return std::nullopt;
  result.type = name;
  return result;
}

std::string encode(const association_strength& what) {
  std::string bytes;
  append(bytes, what.weight);
  append(bytes, what.confidence);
  return bytes;
}

std::optional<association_strength>
decode_strength(std::string_view bytes) noexcept {
  association_strength result;
  if (!take(bytes, result.weight) || !take(bytes, result.confidence)
      || !bytes.empty() || !std::isfinite(result.weight) || result.weight < 0
      || !(result.confidence >= 0 && result.confidence <= 1))
    return std::nullopt;
  return result;
}

} // namespace neuroplex::concept_replica
