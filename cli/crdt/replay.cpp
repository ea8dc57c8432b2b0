#include "cli/crdt/replay.hpp"

#include "crdt/causal_types.hpp"
#include "crdt/counters.hpp"
#include "crdt/lww.hpp"
#include "crdt/or_set.hpp"
#include "crdt/two_phase_set.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using step_words = json::array_t;

constexpr std::uint64_t most_replicas = 1'024;

failure malformed(const std::string& what) {
  return {errc::bad_argument, what};
}

// A value as text, cut where it is long.
std::string excerpt(const json& value) {
  constexpr std::size_t most = 200;
  auto text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

// Elements, keys and values may be anything; equal text is the same thing.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

crdt::replica_id replica(std::size_t index) {
  return {static_cast<std::uint32_t>(index), 0};
}

expected<void> done(const auto& result) {
  return result ? expected<void>{} : expected<void>{result.error()};
}

failure unknown_operation(const step_words& op) {
  return malformed("operation " + excerpt(op)
                   + ": expected one that the type has, with its arguments");
}

bool is(const step_words& op, std::string_view verb, std::size_t arguments) {
  return op.size() == arguments + 1 && op[0] == verb;
}

template <class Set>
expected<void> change_set(Set& set, std::size_t at, const step_words& op) {
  if (is(op, "add", 1))
    return done(set.add(replica(at), text_of(op[1])));
  if (is(op, "rmv", 1))
    return done(set.remove(replica(at), text_of(op[1])));
  return unknown_operation(op);
}

using text = std::string;
using map_of_sets = crdt::or_map<text, crdt::add_wins_store<text>>;

expected<void> change(crdt::or_set<text>& set, std::size_t at,
                      const step_words& op) {
  return change_set(set, at, op);
}

expected<void> change(crdt::remove_wins_set<text>& set, std::size_t at,
                      const step_words& op) {
  return change_set(set, at, op);
}

expected<void> change(crdt::two_phase_set<text>& set, std::size_t at,
                      const step_words& op) {
  return change_set(set, at, op);
}

expected<void> change(crdt::mv_register<text>& value, std::size_t at,
                      const step_words& op) {
  if (is(op, "write", 1))
    return done(value.write(replica(at), text_of(op[1])));
  return unknown_operation(op);
}

expected<void> change(crdt::pn_counter& counter, std::size_t at,
                      const step_words& op) {
  if (op.size() != 2 || !op[1].is_number_integer()
      || (op[1].is_number_unsigned() && op[1].get<std::uint64_t>() > INT64_MAX))
    return unknown_operation(op);
  auto amount = op[1].get<std::int64_t>();
  if (op[0] == "inc")
    return done(counter.increment(replica(at), amount));
  if (op[0] == "dec")
    return done(counter.decrement(replica(at), amount));
  return unknown_operation(op);
}

expected<void> change(crdt::lww_register<text>& value, std::size_t at,
                      const step_words& op) {
  if (is(op, "write", 2) && op[2].is_number_unsigned())
    return done(
      value.write(replica(at), text_of(op[1]), op[2].get<std::uint64_t>()));
  return unknown_operation(op);
}

expected<void> change(map_of_sets& map, std::size_t at, const step_words& op) {
  if (is(op, "erase", 1))
    return done(map.erase(replica(at), text_of(op[1])));
  if (!is(op, "add", 2) && !is(op, "rmv", 2))
    return unknown_operation(op);
  auto element = text_of(op[2]);
  auto adds = op[0] == "add";
  return done(map.apply(
    replica(at), text_of(op[1]), [&](const auto& set, const auto& how) {
      return adds ? set.add(how, element) : set.remove(how, element);
    }));
}

std::string shown(const std::set<text>& elements) {
  std::string result;
  for (const auto& element : elements)
    result += (result.empty() ? "" : ",") + element;
  return "[" + result + "]";
}

template <class Type>
std::string shown(const Type& value) {
  return shown(value.value());
}

std::string shown(const crdt::lww_register<text>& value) {
  return value.value().value_or("null");
}

std::string shown(const crdt::pn_counter& counter) {
  auto value = counter.value();
  std::string digits;
  for (auto rest = value; rest != 0 || digits.empty(); rest /= 10) {
    auto digit = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (value < 0)
    digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string joined(const std::map<text, std::string>& entries) {
  std::string result{"{"};
  for (const auto& [key, value] : entries) {
    if (result.size() > 1)
      result += ',';
    result.append(key).append(":").append(value);
  }
  return result + "}";
}

std::string shown(const map_of_sets& map) {
  std::map<text, std::string> entries;
  for (const auto& [key, set] : map.value())
    entries.emplace(key, shown(set.value()));
  return joined(entries);
}

// An expected value as `shown` would print it; arrays are sets.
expected<std::string> wanted(const json& value) {
  if (value.is_array()) {
    std::set<text> elements;
    for (const auto& element : value)
      elements.insert(text_of(element));
    if (elements.size() != value.size())
      return malformed("expected value " + excerpt(value)
                       + ": an element twice in a set");
    return shown(elements);
  }
  if (value.is_object()) {
    std::map<text, std::string> entries;
    for (const auto& [key, inner] : value.items()) {
      auto set = wanted(inner);
      if (!set)
        return set;
      entries.emplace(text_of(key), *set);
    }
    return joined(entries);
  }
  return text_of(value);
}

class replayed {
public:
  replayed() = default;
  replayed(const replayed&) = delete;
  replayed& operator=(const replayed&) = delete;
  virtual ~replayed() = default;

  virtual expected<void> change_at(std::size_t at, const step_words& op) = 0;
  virtual expected<void> merge(std::size_t from, std::size_t to) = 0;
  [[nodiscard]] virtual std::string shown_at(std::size_t at) const = 0;
};

template <class Type>
class replayed_type final : public replayed {
public:
  explicit replayed_type(std::size_t replicas) : states_(replicas) {
  }

  expected<void> change_at(std::size_t at, const step_words& op) override {
    return change(states_[at], at, op);
  }

  expected<void> merge(std::size_t from, std::size_t to) override {
    auto state = Type::decode(states_[from].encode());
    return state ? states_[to].merge(*state) : state.error();
  }

  [[nodiscard]] std::string shown_at(std::size_t at) const override {
    return shown(states_[at]);
  }

private:
  std::vector<Type> states_;
};

template <class Type>
std::unique_ptr<replayed> make(std::size_t replicas) {
  return std::make_unique<replayed_type<Type>>(replicas);
}

struct named_type {
  std::string_view name;
  std::unique_ptr<replayed> (*make)(std::size_t replicas);
};

constexpr std::array<named_type, 7> known_types{{
  {"aworset", make<crdt::or_set<text>>},
  {"rworset", make<crdt::remove_wins_set<text>>},
  {"mvreg", make<crdt::mv_register<text>>},
  {"twopset", make<crdt::two_phase_set<text>>},
  {"pncounter", make<crdt::pn_counter>},
  {"lwwreg", make<crdt::lww_register<text>>},
  {"ormap_aworset", make<map_of_sets>},
}};

expected<std::size_t> replica_index(const json& value, std::uint64_t replicas) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= replicas)
    return malformed("replica " + excerpt(value) + ": expected 0 to "
                     + std::to_string(replicas - 1));
  return static_cast<std::size_t>(value.get<std::uint64_t>());
}

expected<void> merge_step(replayed& states, const json& pair,
                          std::uint64_t replicas) {
  if (!pair.is_array() || pair.size() != 2)
    return malformed("merge " + excerpt(pair) + ": expected [from, to]");
  auto from = replica_index(pair[0], replicas);
  auto to = replica_index(pair[1], replicas);
  if (!from || !to)
    return from ? to.error() : from.error();
  return states.merge(*from, *to);
}

expected<void> take_step(replayed& states, const json& step,
                         std::uint64_t replicas) {
  auto merges = step.is_object() && step.size() == 1 && step.contains("merge");
  if (merges)
    return merge_step(states, step["merge"], replicas);
  auto has_place = step.is_object() && step.size() == 2 && step.contains("at");
  auto changes = has_place && step.contains("op") && step["op"].is_array();
  if (!changes && !(has_place && step.contains("expect")))
    return malformed(excerpt(step)
                     + ": expected an object with op and at, merge, or expect "
                       "and at");
  auto at = replica_index(step["at"], replicas);
  if (!at)
    return at.error();
  if (changes)
    return states.change_at(*at, step["op"].get_ref<const step_words&>());
  auto wants = wanted(step["expect"]);
  if (!wants)
    return wants.error();
  auto shows = states.shown_at(*at);
  if (shows == *wants)
    return {};
  return failure{errc::mismatch, "replica " + std::to_string(*at) + " shows "
                                   + shows + ", expected " + *wants};
}

expected<void> replay(const json& trace) {
  if (!trace.is_object())
    return malformed("not an object: expected type, seed, replicas and steps");
  auto type = trace.value("type", json{});
  const auto* known =
    std::find_if(known_types.begin(), known_types.end(),
                 [&](const named_type& one) { return type == one.name; });
  if (known == known_types.end()) {
    std::string names;
    for (const auto& one : known_types)
      names += (names.empty() ? "" : ", ") + std::string{one.name};
    return malformed("type " + excerpt(type) + ": unknown: expected one of "
                     + names);
  }
  auto replicas = trace.value("replicas", json{});
  if (!replicas.is_number_unsigned() || replicas.get<std::uint64_t>() == 0
      || replicas.get<std::uint64_t>() > most_replicas)
    return malformed("replicas " + excerpt(replicas) + ": expected 1 to "
                     + std::to_string(most_replicas));
  auto steps = trace.value("steps", json{});
  if (!steps.is_array())
    return malformed("steps " + excerpt(steps) + ": expected an array");
  auto count = replicas.get<std::uint64_t>();
  auto states = known->make(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (auto taken = take_step(*states, steps[i], count); !taken)
      return failure{taken.code(), "step " + std::to_string(i) + ": "
                                     + taken.error().message()};
  return {};
}

} // namespace

expected<void> replay_trace(std::string_view line) {
  auto trace = json::parse(line, nullptr, false);
  if (trace.is_discarded())
    return malformed("not JSON: expected one object a line");
  auto result = replay(trace);
  if (result || !trace.is_object() || !trace.contains("type"))
    return result;
  return failure{result.code(), excerpt(trace["type"]) + " seed "
                                  + excerpt(trace.value("seed", json{})) + ": "
                                  + result.error().message()};
}

} // namespace neuroplex::cli
