#include "actors/replica/values.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <tuple>

namespace neuroplex::replica {

namespace {

using entry = shard_state::entry;
using version = shard_state::version;
using place = shard_state::place;

auto order_of(const version& one) {
  return std::tie(one.written, one.made_by.replica, one.value);
}

bool fits_int64(wide_sum sum) {
  return sum >= std::numeric_limits<std::int64_t>::min()
         && sum <= std::numeric_limits<std::int64_t>::max();
}

expected<void> may_write(const write_context& how, const fact& what) {
  if (auto fits = crdt::codec<fact>::check(what); !fits)
    return fits;
  return how.counter < how.reserved ? errc::ok : errc::busy;
}

// Room for so many dots.
errc room_for(const write_context& how, std::size_t facts) {
  return how.reserved - std::min(how.reserved, how.counter) >= facts
           ? errc::ok
           : errc::busy;
}

errc check_type(const entry* found, value_type wanted) {
  auto type = type_of(found);
  return type == value_type::none || type == wanted ? errc::ok
                                                    : errc::wrong_type;
}

void put(const write_context& how, fact what) {
  how.state.put({how.by, ++how.counter}, std::move(what), how.changes);
}

// What this replica has counted at a place is replaced by the sum with
// `amount`.
expected<std::int64_t> count(const write_context& how, fact what,
                             std::int64_t amount) {
  if (auto may = may_write(how, what); !may)
    return may.error();
  const auto* found = how.state.find(what.key);
  const auto* shares =
    found == nullptr ? nullptr : found->find(what.kind, what.name);
  auto total = (shares == nullptr ? wide_sum{0} : sum_of(*shares)) + amount;
  auto own = wide_sum{amount};
  if (shares != nullptr)
    for (const auto& one : *shares)
      if (one.made_by.replica == how.by)
        own += one.number;
  if (!fits_int64(own) || !fits_int64(total))
    return errc::overflow;
  if (shares != nullptr) {
    std::vector<crdt::dot> mine;
    for (const auto& one : *shares)
      if (one.made_by.replica == how.by)
        mine.push_back(one.made_by);
    for (const auto& one : mine)
      how.state.drop(one, how.changes);
  }
  what.number = static_cast<std::int64_t>(own);
  put(how, std::move(what));
  return static_cast<std::int64_t>(total);
}

expected<std::size_t> remove_places(const write_context& how,
                                    std::string_view key, value_type type,
                                    std::span<const fact_kind> kinds,
                                    std::span<const std::string> names) {
  const auto* found = how.state.find(key);
  if (auto code = check_type(found, type); code != errc::ok)
    return code;
  std::size_t removed = 0;
  for (const auto& name : names) {
    auto there = false;
    for (auto kind : kinds) {
      // The last name takes the entry along.
      found = how.state.find(key);
      if (found == nullptr)
        return removed;
      if (found->find(kind, name) == nullptr)
        continue;
      how.state.drop(key, place{kind, name}, how.changes);
      there = true;
    }
    removed += there ? 1 : 0;
  }
  return removed;
}

constexpr std::array field_kinds{fact_kind::field, fact_kind::field_counter};
constexpr std::array member_kinds{fact_kind::member};

// Kinds of facts that a key of this type shows.
bool shows(value_type type, fact_kind kind) {
  switch (kind) {
    case fact_kind::field:
    case fact_kind::field_counter:
      return type == value_type::hash;
    case fact_kind::member:
      return type == value_type::set;
    case fact_kind::counter:
      return type == value_type::counter;
    case fact_kind::text:
      return type == value_type::text;
  }
  return false;
}

struct conflict {
  std::string key;
  place where;
  bool hidden = false; // of a type that does not count
};

// The fact that stands for versions that were written at the same time.
expected<fact> choose(const std::vector<version>& versions,
                      const std::string& key, const place& where,
                      const text_resolver& resolver) {
  std::vector<crdt::version<std::string>> choice;
  choice.reserve(versions.size());
  for (const auto& one : versions)
    choice.push_back({one.written, one.made_by.replica, one.value});
  std::sort(choice.begin(), choice.end());
  // A resolution is no newer than what it resolves.
  fact result{.kind = where.kind,
              .key = key,
              .name = where.name,
              .written = choice.back().timestamp};
  try {
    result.value = resolver(choice);
  } catch (const std::exception& thrown) {
    return failure{errc::internal,
                   "replica: the resolver of this namespace failed: "
                     + std::string{thrown.what()} + ": nothing was resolved"};
  }
  if (auto fits = crdt::codec<fact>::check(result); !fits)
    return fits.error();
  return result;
}

std::vector<conflict> conflicts_of(const shard_state& state) {
  std::vector<conflict> result;
  for (const auto& [key, found] : state.keys()) {
    auto type = type_of(&found);
    for (const auto& [where, versions] : found.places) {
      auto hidden = !shows(type, where.kind)
                    || (where.kind == fact_kind::field_counter
                        && found.find(fact_kind::field, where.name) != nullptr);
      if (hidden || (is_register(where.kind) && versions.size() > 1))
        result.push_back({key, where, hidden});
    }
  }
  return result;
}

} // namespace

std::string_view type_name(value_type type) noexcept {
  switch (type) {
    case value_type::none:
      return "none";
    case value_type::hash:
      return "hash";
    case value_type::set:
      return "set";
    case value_type::counter:
    case value_type::text:
      return "string";
  }
  return "none";
}

std::string to_text(wide_sum sum) {
  const auto negative = sum < 0;
  std::string digits;
  do {
    auto digit = static_cast<int>(sum % 10);
    digits.push_back(static_cast<char>('0' + (negative ? -digit : digit)));
    sum /= 10;
  } while (sum != 0);
  if (negative)
    digits.push_back('-');
  return {digits.rbegin(), digits.rend()};
}

// -- reading ------------------------------------------------------------------

value_type type_of(const entry* found) noexcept {
  if (found == nullptr)
    return value_type::none;
  if (found->count(fact_kind::field) + found->count(fact_kind::field_counter)
      > 0)
    return value_type::hash;
  if (found->count(fact_kind::member) > 0)
    return value_type::set;
  if (found->count(fact_kind::counter) > 0)
    return value_type::counter;
  return value_type::text;
}

const version& latest(const std::vector<version>& versions) {
  return *std::max_element(versions.begin(), versions.end(),
                           [](const version& a, const version& b) {
                             return order_of(a) < order_of(b);
                           });
}

wide_sum sum_of(const std::vector<version>& shares) {
  wide_sum sum = 0;
  for (const auto& one : shares)
    sum += one.number;
  return sum;
}

std::optional<std::string> field_value(const entry& hash,
                                       const std::string& name) {
  if (const auto* versions = hash.find(fact_kind::field, name))
    return latest(*versions).value;
  if (const auto* shares = hash.find(fact_kind::field_counter, name))
    return to_text(sum_of(*shares));
  return std::nullopt;
}

std::vector<std::string> field_names(const entry& hash) {
  std::vector<std::string> result;
  for (const auto& [where, versions] : hash.places)
    if (where.kind == fact_kind::field
        || (where.kind == fact_kind::field_counter
            && hash.find(fact_kind::field, where.name) == nullptr))
      result.push_back(where.name);
  return result;
}

std::vector<std::string> member_names(const entry& set) {
  std::vector<std::string> result;
  for (auto at = set.places.lower_bound({fact_kind::member, {}});
       at != set.places.end() && at->first.kind == fact_kind::member; ++at)
    result.push_back(at->first.name);
  return result;
}

// -- writing ------------------------------------------------------------------

errc set_text(const write_context& how, std::string_view key,
              std::string value) {
  fact what{.kind = fact_kind::text,
            .key = std::string{key},
            .value = std::move(value),
            .written = how.now};
  if (auto may = may_write(how, what); !may)
    return may.code();
  how.state.drop(key, how.changes);
  put(how, std::move(what));
  return errc::ok;
}

bool erase(const write_context& how, std::string_view key) {
  if (how.state.find(key) == nullptr)
    return false;
  how.state.drop(key, how.changes);
  return true;
}

expected<std::int64_t> add(const write_context& how, std::string_view key,
                           std::int64_t amount) {
  if (auto code = check_type(how.state.find(key), value_type::counter);
      code != errc::ok)
    return code;
  return count(how, {.kind = fact_kind::counter, .key = std::string{key}},
               amount);
}

expected<std::size_t> add_members(const write_context& how,
                                  std::string_view key,
                                  std::span<const std::string> members) {
  if (auto code = check_type(how.state.find(key), value_type::set);
      code != errc::ok)
    return code;
  if (auto code = room_for(how, members.size()); code != errc::ok)
    return code;
  for (const auto& name : members)
    if (auto fits =
          crdt::codec<fact>::check({.key = std::string{key}, .name = name});
        !fits)
      return fits.code();
  std::size_t fresh = 0;
  for (const auto& name : members) {
    const auto* found = how.state.find(key);
    fresh += found == nullptr || found->find(fact_kind::member, name) == nullptr
               ? 1
               : 0;
    // Added again, it survives a remove that has seen the older add only.
    how.state.drop(key, place{fact_kind::member, name}, how.changes);
    put(how,
        {.kind = fact_kind::member, .key = std::string{key}, .name = name});
  }
  return fresh;
}

expected<std::size_t> remove_members(const write_context& how,
                                     std::string_view key,
                                     std::span<const std::string> members) {
  return remove_places(how, key, value_type::set, member_kinds, members);
}

expected<std::size_t>
set_fields(const write_context& how, std::string_view key,
           std::span<const std::pair<std::string, std::string>> fields) {
  if (auto code = check_type(how.state.find(key), value_type::hash);
      code != errc::ok)
    return code;
  if (auto code = room_for(how, fields.size()); code != errc::ok)
    return code;
  for (const auto& [name, value] : fields)
    if (auto fits = crdt::codec<fact>::check(
          {.key = std::string{key}, .name = name, .value = value});
        !fits)
      return fits.code();
  std::size_t fresh = 0;
  for (const auto& [name, value] : fields) {
    const auto* found = how.state.find(key);
    fresh += found == nullptr || !field_value(*found, name) ? 1 : 0;
    for (auto kind : field_kinds)
      how.state.drop(key, place{kind, name}, how.changes);
    put(how, {.kind = fact_kind::field,
              .key = std::string{key},
              .name = name,
              .value = value,
              .written = how.now});
  }
  return fresh;
}

expected<std::size_t> remove_fields(const write_context& how,
                                    std::string_view key,
                                    std::span<const std::string> names) {
  return remove_places(how, key, value_type::hash, field_kinds, names);
}

expected<std::int64_t> add_to_field(const write_context& how,
                                    std::string_view key,
                                    const std::string& name,
                                    std::int64_t amount) {
  const auto* found = how.state.find(key);
  if (auto code = check_type(found, value_type::hash); code != errc::ok)
    return code;
  if (found != nullptr && found->find(fact_kind::field, name) != nullptr)
    return errc::not_integer;
  return count(
    how,
    {.kind = fact_kind::field_counter, .key = std::string{key}, .name = name},
    amount);
}

expected<std::size_t> resolve(const write_context& how,
                              const text_resolver& resolver) {
  auto conflicts = conflicts_of(how.state);
  if (auto code = room_for(how, conflicts.size()); code != errc::ok)
    return code;
  // All are chosen before the first is written.
  std::vector<fact> chosen;
  for (const auto& [key, where, hidden] : conflicts) {
    if (hidden)
      continue;
    auto one = choose(*how.state.find(key)->find(where.kind, where.name), key,
                      where, resolver);
    if (!one)
      return one.error();
    chosen.push_back(std::move(*one));
  }
  for (const auto& one : conflicts)
    how.state.drop(one.key, one.where, how.changes);
  for (auto& one : chosen)
    put(how, std::move(one));
  return conflicts.size();
}

} // namespace neuroplex::replica
