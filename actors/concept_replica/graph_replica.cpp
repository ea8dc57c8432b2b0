#include "actors/concept_replica/graph_replica.hpp"

#include "storage/concept/entry_codec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace neuroplex::concept_replica {

namespace {

using concepts::concept_id;
using concepts::entry_kind;
using concepts::write_entry;
using replica::fact_kind;
using replica::shard_state;

using field = std::pair<std::string, std::string>;

constexpr std::size_t life_bytes = 16;

std::optional<std::string> field_of(const shard_state::entry* hash,
                                    const shard_state::place& where) {
  const auto* versions =
    hash == nullptr ? nullptr : hash->find(where.kind, where.name);
  if (versions == nullptr)
    return std::nullopt;
  return replica::latest(*versions).value;
}

/// Names and values of the fields whose names begin with `prefix`, in order.
std::vector<field> fields_with(const shard_state::entry& hash,
                               const std::string& prefix) {
  std::vector<field> result;
  for (auto at = hash.places.lower_bound({fact_kind::field, prefix});
       at != hash.places.end() && at->first.kind == fact_kind::field
       && at->first.name.starts_with(prefix);
       ++at)
    result.emplace_back(at->first.name, replica::latest(at->second).value);
  return result;
}

/// In the order of names, so that all nodes round alike.
strength_share joined_shares(const shard_state::entry& hash,
                             const crdt::dot& life) {
  strength_share all;
  for (const auto& [name, value] : fields_with(hash, share_prefix(life)))
    if (auto one = decode_share(value)) {
      all.added += one->added;
      all.factor *= one->factor;
    }
  return all;
}

float strength_of(float begun_with, const strength_share& all) {
  constexpr double most = std::numeric_limits<float>::max();
  auto sum =
    std::min(begun_with + all.added, std::numeric_limits<double>::max());
  return static_cast<float>(std::min(sum * all.factor, most));
}

write_entry without_vector(const write_entry& from) {
  auto body = from.body_view().substr(from.dimensions * sizeof(float));
  write_entry result;
  NEUROPLEX_ENSURE(
    make_learn_concept(from.id,
                       {.content = body.substr(0, from.content_bytes),
                        .strength = from.amount,
                        .confidence = from.confidence,
                        .attributes = body.substr(from.content_bytes)},
                       result)
    == errc::ok);
  return result;
}

std::string name_of(const write_entry& association,
                    const concepts::association_types& types) {
  return association_name({association.target, association.qualifier,
                           std::string{types.name(association.type)}});
}

} // namespace

errc check(const write_entry& entry) noexcept {
  return life_bytes + concepts::encoded_bytes(entry)
             > replica::limits::max_value_bytes
           ? errc::value_size
           : errc::ok;
}

graph_replica::graph_replica(const shard_state& facts,
                             concepts::concurrent_memory& memory,
                             std::uint64_t room)
  : facts_{facts}, memory_{memory}, room_{room} {
  // Associations are shown with the later of their ends.
  for (const auto& [key, hash] : facts.keys()) {
    auto id = id_of(key);
    if (!id)
      continue;
    note({*id, {}});
    for (const auto& [name, value] : fields_with(hash, association_prefix()))
      if (auto what = decode_association_name(name))
        sources_.emplace(what->target, *id);
  }
}

// -- learning -----------------------------------------------------------------

taught graph_replica::teach(replica::core& on, const replica::moment& now,
                            std::span<const write_entry> lesson) {
  taught result;
  auto fail = [&result](errc code, std::string why) {
    result.status = code;
    result.problem = std::move(why);
  };
  auto how = on.writer(now);
  if (!how)
    fail(how.code(), how.error().message());
  else if (overloaded())
    fail(errc::busy, "the replica has more to show than readers have seen: "
                     "send the lesson again later");
  else if (facts_.bytes() > limits::max_state_bytes)
    fail(errc::no_space, "the replica of concept memory is full: forget some, "
                         "or start a cluster for each part of it");
  std::size_t bytes = 0;
  for (const auto& each : lesson) {
    if (result.status != errc::ok)
      break;
    if (auto code = learn(*how, each); code != errc::ok) {
      fail(code, std::string{describe(code)});
      break;
    }
    ++result.accepted;
    bytes += concepts::encoded_bytes(each);
    if (bytes >= limits::part_bytes) {
      on.take_turn();
      bytes = 0;
    }
  }
  result.last_change = noted_;
  return result;
}

errc graph_replica::learn(const write_context& how, const write_entry& what) {
  switch (what.kind) {
    case entry_kind::learn_concept:
      return learn_concept(how, what);
    case entry_kind::learn_association:
      return learn_association(how, what);
    case entry_kind::strengthen:
    case entry_kind::decay:
      return scale(how, what);
    case entry_kind::forget_concept:
      return forget_concept(how, what.id);
    case entry_kind::forget_association:
      return forget_association(how, what);
  }
  return refuse();
}

// Taken, without effect.
errc graph_replica::refuse() noexcept {
  refused_.fetch_add(1, std::memory_order_relaxed);
  return errc::ok;
}

errc graph_replica::learn_concept(const write_context& how,
                                  const write_entry& what) {
  if (what.dimensions != 0) {
    auto known = dimensions();
    if (known && *known != what.dimensions)
      return refuse();
    const std::array lengths{
      field{std::string{dimensions_field}, std::to_string(what.dimensions)}};
    if (!known)
      if (auto set = set_fields(how, vectors_key, lengths); !set)
        return set.code();
  }
  return put_learnt(how, key_of(what.id), what);
}

// A life begins.
errc graph_replica::put_learnt(const write_context& how, const std::string& key,
                               const write_entry& facts) {
  const crdt::dot life{how.by, how.counter + 1};
  auto set = set_fields(
    how, key,
    std::array{field{learnt_place().name, encode_learnt(life, facts)}});
  if (!set)
    return set.code();
  for (const auto& [name, value] :
       fields_with(*how.state.find(key), share_prefix()))
    how.state.drop(key, {fact_kind::field, name}, how.changes);
  return errc::ok;
}

errc graph_replica::scale(const write_context& how, const write_entry& what) {
  auto known = find(what.id);
  if (!known)
    return refuse();
  const auto key = key_of(what.id);
  const auto name = share_name(known->learnt.life, how.by);
  auto mine = decode_share(field_of(facts_.find(key), {fact_kind::field, name})
                             .value_or(std::string{}))
                .value_or(strength_share{});
  auto after = known->all;
  if (what.kind == entry_kind::decay) {
    mine.factor *= what.amount;
    after.factor *= what.amount;
  } else {
    auto share = what.amount / known->all.factor;
    mine.added += share;
    after.added += share;
  }
  if (after.factor >= limits::least_factor && std::isfinite(after.added)) {
    auto set = set_fields(how, key, std::array{field{name, encode(mine)}});
    return set ? errc::ok : set.code();
  }
  auto& facts = known->learnt.facts;
  auto before = strength_of(facts.amount, known->all);
  facts.amount = what.kind == entry_kind::decay
                   ? before * what.amount
                   : strength_of(before, {.added = what.amount});
  return put_learnt(how, key, facts);
}

errc graph_replica::forget_concept(const write_context& how,
                                   const concept_id& id) {
  if (!is_known(id))
    return refuse();
  const auto prefix = association_prefix(id);
  for (auto at = sources_.lower_bound({id, {}});
       at != sources_.end() && at->first == id; ++at) {
    const auto key = key_of(at->second);
    if (const auto* hash = facts_.find(key))
      for (const auto& [name, value] : fields_with(*hash, prefix))
        how.state.drop(key, {fact_kind::field, name}, how.changes);
  }
  erase(how, key_of(id));
  return errc::ok;
}

errc graph_replica::learn_association(const write_context& how,
                                      const write_entry& what) {
  if (!is_known(what.id) || !is_known(what.target))
    return refuse();
  const auto& types = memory_.types();
  const std::array type{field{std::string{types.name(what.type)},
                              std::string{types.phrase(what.type)}}};
  if (!field_of(facts_.find(types_key), {fact_kind::field, type[0].first}))
    if (auto set = set_fields(how, types_key, type); !set)
      return set.code();
  auto set = set_fields(
    how, key_of(what.id),
    std::array{field{name_of(what, types), encode(association_strength{
                                             what.amount, what.confidence})}});
  return set ? errc::ok : set.code();
}

errc graph_replica::forget_association(const write_context& how,
                                       const write_entry& what) {
  const auto key = key_of(what.id);
  const shard_state::place where{fact_kind::field,
                                 name_of(what, memory_.types())};
  if (!is_known(what.id) || !is_known(what.target)
      || !field_of(facts_.find(key), where))
    return refuse();
  how.state.drop(key, where, how.changes);
  return errc::ok;
}

// -- what the facts say -------------------------------------------------------

bool graph_replica::is_known(const concept_id& id) const {
  const auto* hash = facts_.find(key_of(id));
  return hash != nullptr
         && hash->find(learnt_place().kind, learnt_place().name) != nullptr;
}

std::optional<graph_replica::known_concept>
graph_replica::find(const concept_id& id) const {
  const auto* hash = facts_.find(key_of(id));
  auto bytes = field_of(hash, learnt_place());
  if (!bytes)
    return std::nullopt;
  auto learnt = decode_learnt(*bytes, id);
  if (!learnt)
    return std::nullopt;
  auto all = joined_shares(*hash, learnt->life);
  return known_concept{std::move(*learnt), all};
}

std::optional<std::uint32_t> graph_replica::dimensions() const {
  auto digits = field_of(facts_.find(vectors_key),
                         {fact_kind::field, std::string{dimensions_field}});
  std::uint32_t result = 0;
  if (!digits
      || std::from_chars(digits->data(), digits->data() + digits->size(),
                         result)
             .ec
           != std::errc{})
    return std::nullopt;
  return result;
}

// -- showing ------------------------------------------------------------------

void graph_replica::changed(const std::string& key,
                            const shard_state::place& where) {
  if (where.kind != fact_kind::field || where.name.empty())
    return;
  if (key == types_key) {
    types_changed_ = true;
    return;
  }
  auto id = id_of(key);
  if (!id)
    return;
  if (where == learnt_place() || where.name.starts_with(share_prefix())) {
    note({*id, {}});
  } else if (auto association = decode_association_name(where.name)) {
    sources_.emplace(association->target, *id);
    note({*id, where.name});
  }
}

void graph_replica::note(change what) {
  if (!changes_.empty() && changes_.back() == what)
    return;
  changes_.push_back(std::move(what));
  ++noted_;
}

bool graph_replica::catch_up() {
  if (std::exchange(types_changed_, false))
    show_types();
  while (!changes_.empty()
         && memory_.accepted_sequence() - memory_.visible_sequence() < room_
         && show(changes_.front())) {
    changes_.pop_front();
    shown_.fetch_add(1, std::memory_order_release);
  }
  unshown_.store(changes_.size(), std::memory_order_relaxed);
  return changes_.empty();
}

// Before their associations, so that they get their phrases.
void graph_replica::show_types() {
  if (const auto* hash = facts_.find(types_key))
    for (const auto& [name, phrase] : fields_with(*hash, {}))
      static_cast<void>(memory_.types().intern(name, phrase));
}

bool graph_replica::show(const change& what) {
  return what.association.empty() ? show_concept(what.id)
                                  : show_association(what.id, what.association);
}

bool graph_replica::show_concept(const concept_id& id) {
  write_entry entry;
  auto known = find(id);
  if (!known) {
    if (!known_.contains(id))
      return true;
    make_forget(id, entry);
    if (memory_.write(entry) != errc::ok)
      return false;
    known_.erase(id);
    return true;
  }
  entry = std::move(known->learnt.facts);
  entry.amount = strength_of(entry.amount, known->all);
  if (entry.dimensions != 0) {
    // The graph keeps to the first length that it meets.
    if (dimensions_ == 0)
      dimensions_ = dimensions().value_or(entry.dimensions);
    if (entry.dimensions != dimensions_)
      entry = without_vector(entry);
  }
  if (memory_.write(entry) != errc::ok)
    return false;
  if (known_.contains(id))
    return true;
  // A failure from here on shows all of them again.
  known_.insert(id);
  auto done = show_associations(id, association_prefix());
  for (auto at = sources_.lower_bound({id, {}});
       done && at != sources_.end() && at->first == id; ++at)
    if (at->second != id)
      done = show_associations(at->second, association_prefix(id));
  if (!done)
    known_.erase(id);
  return done;
}

bool graph_replica::show_associations(const concept_id& source,
                                      const std::string& prefix) {
  const auto* hash = facts_.find(key_of(source));
  if (hash == nullptr)
    return true;
  for (const auto& [name, value] : fields_with(*hash, prefix))
    if (!show_association(source, name))
      return false;
  return true;
}

bool graph_replica::show_association(const concept_id& source,
                                     const std::string& name) {
  auto what = decode_association_name(name);
  if (!what)
    return true;
  const auto* hash = facts_.find(key_of(source));
  auto value = field_of(hash, {fact_kind::field, name});
  if (!value
      && (hash == nullptr
          || fields_with(*hash, association_prefix(what->target)).empty()))
    sources_.erase({what->target, source});
  if (!known_.contains(source) || !known_.contains(what->target))
    return true;
  auto type = memory_.types().intern(what->type);
  if (!type)
    return true; // more types than a memory has
  const auto strength =
    value ? decode_strength(*value) : std::optional<association_strength>{};
  concepts::association is{source, what->target, *type, what->qualifier};
  write_entry entry;
  if (strength) {
    is.weight = strength->weight;
    is.confidence = strength->confidence;
    NEUROPLEX_ENSURE(make_learn_association(is, entry) == errc::ok);
  } else {
    make_forget(is, entry);
  }
  return memory_.write(entry) == errc::ok;
}

} // namespace neuroplex::concept_replica
