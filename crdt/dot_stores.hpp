// Stores of dots under one causal context.
//
// Purpose: the dot stores of Almeida, Shoker, Baquero, "Delta state replicated
// data types" (2018), section 7: a set of dots, a function from dots to values,
// a map from keys to stores, and products of stores. None holds a context; it
// is passed by argument, so that a map of maps of sets has a single one.
//
// A dot is live where it is in the store, and dead where it is in the context
// only. Joining keeps what is live on both sides, and what one side has live
// and the other has not seen. So a remove is a context without a store.
//
// Verbs of a store are const: they answer the change, a store with its context,
// and leave the joining to whoever holds the state. `mutation` tells them what
// was seen and who changes it.
//
// Threads: plain values.
//
// Cost: a map knows where each of its dots is, so that joining a change costs
// what the change touches. Under one key a set or a function of dots is walked:
// few dots live there, those that were concurrent. For many elements of one set
// `or_set` takes less memory.
//
// Failure behaviour: `causal::check` refuses a dot that is live on both sides
// with different values or in different places: two replicas used one id.
#pragma once

#include "crdt/causal_context.hpp"
#include "crdt/digest.hpp"
#include "crdt/lattice.hpp"

#include <algorithm>
#include <concepts>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace neuroplex::crdt {

template <class S>
concept dot_store =
  std::default_initializable<S> && std::equality_comparable<S> && requires(
    S& mine, const S& other, const causal_context& context, encoder& out,
    decoder& in, std::string& text) {
  { other.empty() } -> std::same_as<bool>;
  mine.join(context, other, context);
  other.for_each_dot([](const dot&, std::uint64_t) {});
  { other.find_dot(dot{}) } -> std::same_as<std::optional<std::uint64_t>>;
  mine.keep_only(context);
  other.write(out, context);
  { S::read(in, context) } -> std::same_as<S>;
  S::describe(text);
};

/// What a client has seen whose change it is, as the `context()` of the state
/// that it read; by default all that is here. It takes away what it has seen,
/// and nothing else. Refers to the context.
class observed_changes {
public:
  observed_changes() = default;

  observed_changes(const causal_context& context) noexcept
    : context_{&context} {
  }

  [[nodiscard]] bool contain(const dot& what) const noexcept {
    return context_ == nullptr || context_->contains(what);
  }

  [[nodiscard]] bool are_all_in(const causal_context& seen) const {
    return context_ == nullptr || seen.includes(*context_);
  }

private:
  const causal_context* context_ = nullptr;
};

/// What a verb of a store is told.
struct mutation {
  const causal_context& seen;
  replica_id by;
  observed_changes observed{};

  /// The dot of this change.
  [[nodiscard]] expected<dot> next() const {
    return seen.next(by);
  }

  /// Puts into `change` the dots of `store` that this change stands for.
  template <class Store>
  void replace(const Store& store, causal_context& change) const {
    store.for_each_dot([&](const dot& what, std::uint64_t) {
      if (observed.contain(what))
        change.add(what);
    });
  }
};

/// A store and its context: a state, or a change of one. `Store` is a
/// `dot_store`; it is asked for where a state is made of it, since a store
/// names this type in its own verbs, before it is complete.
template <class Store>
struct causal {
  Store store;
  causal_context context;

  void join(const causal& other) {
    store.join(context, other.store, other.context);
    context.merge(other.context);
  }

  [[nodiscard]] expected<void> check(const causal& other) const;

  [[nodiscard]] std::vector<range_hash> ranges() const {
    range_hasher hasher;
    store.for_each_dot([&](const dot& what, std::uint64_t fingerprint) {
      hasher.add(what, fingerprint);
    });
    return std::move(hasher).finish();
  }

  /// A hash of what the store keeps besides dots; 0 when that is nothing.
  [[nodiscard]] std::uint64_t rest_hash() const {
    if constexpr (requires { store.rest_hash(); })
      return store.rest_hash();
    else
      return 0;
  }

  /// The part of this that concerns `dots`, which are all in the context.
  [[nodiscard]] causal restricted_to(causal_context dots) const {
    causal result{store, std::move(dots)};
    result.store.keep_only(result.context);
    return result;
  }

  void write(encoder& out) const {
    context.write(out);
    store.write(out, context);
  }

  [[nodiscard]] static causal read(decoder& in);

  static void describe(std::string& out) {
    out += "causal(";
    Store::describe(out);
    out += ')';
  }

  friend bool operator==(const causal&, const causal&) = default;
};

/// Joins what lives here with what lives there, each sorted by dot: what one
/// side lacks stays if it was not seen there.
template <class One, class DotOf>
void join_live(std::vector<One>& here, const causal_context& mine,
               const std::vector<One>& there, const causal_context& theirs,
               DotOf dot_of) {
  std::vector<One> joined;
  auto a = here.begin();
  auto b = there.begin();
  while (a != here.end() || b != there.end()) {
    if (b == there.end() || (a != here.end() && dot_of(*a) < dot_of(*b))) {
      if (!theirs.contains(dot_of(*a)))
        joined.push_back(std::move(*a));
      ++a;
    } else if (a == here.end() || dot_of(*b) < dot_of(*a)) {
      if (!mine.contains(dot_of(*b)))
        joined.push_back(*b);
      ++b;
    } else {
      joined.push_back(std::move(*a));
      ++a;
      ++b;
    }
  }
  here = std::move(joined);
}

/// Dots by themselves: each says "yes".
struct dot_set {
  std::vector<dot> dots; ///< sorted

  [[nodiscard]] bool empty() const noexcept {
    return dots.empty();
  }

  void join(const causal_context& mine, const dot_set& other,
            const causal_context& theirs);

  template <class Function>
  void for_each_dot(Function function) const {
    for (const auto& one : dots)
      function(one, 0);
  }

  /// What `for_each_dot` tells of a dot; nothing when it does not live here.
  [[nodiscard]] std::optional<std::uint64_t>
  find_dot(const dot& what) const noexcept {
    if (!std::binary_search(dots.begin(), dots.end(), what))
      return std::nullopt;
    return 0;
  }

  void keep_only(const causal_context& wanted) {
    std::erase_if(dots, [&](const dot& one) { return !wanted.contains(one); });
  }

  void write(encoder& out, const causal_context& context) const {
    write_dots(
      out, context, dots.size(), [&](std::size_t i) { return dots[i]; },
      [](std::size_t) {});
  }

  [[nodiscard]] static dot_set read(decoder& in,
                                    const causal_context& context) {
    dot_set result;
    read_dots(in, context, [&](const dot& one) { result.dots.push_back(one); });
    return result;
  }

  static void describe(std::string& out) {
    out += "dots";
  }

  friend bool operator==(const dot_set&, const dot_set&) = default;
};

/// Each dot stands for a value that never changes.
template <class Value>
struct dot_fun {
  std::vector<std::pair<dot, Value>> values; ///< sorted by dot

  [[nodiscard]] bool empty() const noexcept {
    return values.empty();
  }

  void join(const causal_context& mine, const dot_fun& other,
            const causal_context& theirs) {
    join_live(values, mine, other.values, theirs,
              [](const auto& one) -> const dot& { return one.first; });
  }

  template <class Function>
  void for_each_dot(Function function) const {
    for (const auto& [what, value] : values)
      function(what, fingerprint_of(value));
  }

  [[nodiscard]] std::optional<std::uint64_t> find_dot(const dot& what) const {
    auto at = std::lower_bound(
      values.begin(), values.end(), what,
      [](const auto& one, const dot& wanted) { return one.first < wanted; });
    if (at == values.end() || at->first != what)
      return std::nullopt;
    return fingerprint_of(at->second);
  }

  void keep_only(const causal_context& wanted) {
    std::erase_if(values,
                  [&](const auto& one) { return !wanted.contains(one.first); });
  }

  void write(encoder& out, const causal_context& context) const {
    write_dots(
      out, context, values.size(),
      [&](std::size_t i) { return values[i].first; },
      [&](std::size_t i) { codec<Value>::write(out, values[i].second); });
  }

  [[nodiscard]] static dot_fun read(decoder& in,
                                    const causal_context& context) {
    dot_fun result;
    read_dots(in, context, [&](const dot& what) {
      result.values.emplace_back(what, codec<Value>::read(in));
    });
    return result;
  }

  static void describe(std::string& out) {
    out += "dots(";
    codec<Value>::describe(out);
    out += ')';
  }

  friend bool operator==(const dot_fun&, const dot_fun&) = default;
};

/// Stores by key; a key whose store is empty is not there.
template <class Key, dot_store Value>
class dot_map {
public:
  using entry_map = std::map<Key, Value>;

  dot_map() = default;
  dot_map(dot_map&&) noexcept = default;
  dot_map& operator=(dot_map&&) noexcept = default;
  ~dot_map() = default;

  dot_map(const dot_map& other) : entries_{other.entries_} {
    for (auto at = entries_.begin(); at != entries_.end(); ++at)
      add_places(at);
  }

  dot_map& operator=(const dot_map& other) {
    return *this = dot_map{other};
  }

  [[nodiscard]] bool empty() const noexcept {
    return entries_.empty();
  }

  [[nodiscard]] const entry_map& entries() const noexcept {
    return entries_;
  }

  /// The store at `key`; null when it is empty.
  [[nodiscard]] const Value* find(const Key& key) const {
    auto at = entries_.find(key);
    return at == entries_.end() ? nullptr : &at->second;
  }

  /// Puts a store where none is: `value` has a dot.
  void put(Key key, Value value) {
    auto [at, added] = entries_.emplace(std::move(key), std::move(value));
    if (added)
      add_places(at);
  }

  void join(const causal_context& mine, const dot_map& other,
            const causal_context& theirs) {
    for (auto at : take_gone(other, theirs))
      if (!other.entries_.contains(at->first)) {
        at->second.join(mine, Value{}, theirs);
        if (at->second.empty())
          entries_.erase(at);
      }
    for (const auto& [key, value] : other.entries_) {
      auto at = entries_.try_emplace(key).first;
      at->second.join(mine, value, theirs);
      value.for_each_dot(
        [&](const dot& what, std::uint64_t) { set_place(what, at); });
      if (at->second.empty())
        entries_.erase(at);
    }
  }

  template <class Function>
  void for_each_dot(Function function) const {
    for (const auto& [key, value] : entries_) {
      auto place = fingerprint_of(key);
      value.for_each_dot([&](const dot& what, std::uint64_t inner) {
        function(what, combine(place, inner));
      });
    }
  }

  [[nodiscard]] std::optional<std::uint64_t> find_dot(const dot& what) const {
    auto at = places_.find(what);
    if (at == places_.end())
      return std::nullopt;
    const auto& [key, value] = *at->second;
    auto inner = value.find_dot(what);
    return inner ? std::optional{combine(fingerprint_of(key), *inner)} : inner;
  }

  void keep_only(const causal_context& wanted) {
    for (auto& [key, value] : entries_)
      value.keep_only(wanted);
    std::erase_if(places_,
                  [&](const auto& one) { return !wanted.contains(one.first); });
    std::erase_if(entries_, [](const auto& one) { return one.second.empty(); });
  }

  void write(encoder& out, const causal_context& context) const {
    out.put_varint(entries_.size());
    for (const auto& [key, value] : entries_) {
      codec<Key>::write(out, key);
      value.write(out, context);
    }
  }

  [[nodiscard]] static dot_map read(decoder& in,
                                    const causal_context& context) {
    dot_map result;
    auto count = in.take_count(2);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto key = codec<Key>::read(in);
      auto value = Value::read(in, context);
      if (value.empty())
        in.fail("a key without a dot");
      if (!result.entries_.empty() && !(result.entries_.rbegin()->first < key))
        in.fail("keys out of order");
      result.put(std::move(key), std::move(value));
    }
    return result;
  }

  static void describe(std::string& out) {
    out += "map(";
    codec<Key>::describe(out);
    out += ',';
    Value::describe(out);
    out += ')';
  }

  /// Changes the store at `key` by `change(store, how)`, a verb of `Value`.
  template <class Change>
  [[nodiscard]] expected<causal<dot_map>>
  apply(const mutation& how, const Key& key, Change change) const {
    static const Value nothing{};
    if (auto fits = codec<Key>::check(key); !fits)
      return fits.error();
    const auto* found = find(key);
    expected<causal<Value>> inner =
      change(found == nullptr ? nothing : *found, how);
    if (!inner)
      return inner.error();
    causal<dot_map> result;
    result.context = std::move(inner->context);
    if (!inner->store.empty())
      result.store.put(key, std::move(inner->store));
    return result;
  }

  /// Removes all that was seen at `key`; what others add meanwhile stays
  /// (reset-remove).
  [[nodiscard]] expected<causal<dot_map>> erase(const mutation& how,
                                                const Key& key) const {
    causal<dot_map> result;
    if (const auto* found = find(key))
      how.replace(*found, result.context);
    return result;
  }

  friend bool operator==(const dot_map& a, const dot_map& b) {
    return a.entries_ == b.entries_;
  }

private:
  using place = typename entry_map::iterator;

  void add_places(place at) {
    at->second.for_each_dot([&](const dot& what, std::uint64_t) {
      places_.insert({what, at});
    });
  }

  /// Forgets the places of dots that were seen there and do not live there, and
  /// answers those places.
  std::vector<place> take_gone(const dot_map& other,
                               const causal_context& theirs) {
    std::vector<place> result;
    auto lives_there = [&](const dot& what, place at) {
      auto there = other.places_.find(what);
      return there != other.places_.end() && there->second->first == at->first;
    };
    for (const auto& [replica, seen] : theirs.entries())
      for (const auto& [first, last] : seen.intervals())
        for (auto at = places_.lower_bound({replica, first});
             at != places_.end() && at->first <= dot{replica, last};) {
          if (lives_there(at->first, at->second)) {
            ++at;
            continue;
          }
          result.push_back(at->second);
          at = places_.erase(at);
        }
    std::sort(result.begin(), result.end(),
              [](place a, place b) { return a->first < b->first; });
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }

  /// After `at` was joined with a store that has `what`. Bytes that were made
  /// to deceive may name a dot at two keys, and then it may live at neither:
  /// what counts is what is there.
  void set_place(const dot& what, place at) {
    if (at->second.find_dot(what))
      places_.insert_or_assign(what, at);
    else if (auto known = places_.find(what);
             known != places_.end() && known->second == at)
      places_.erase(known);
  }

  entry_map entries_;
  std::map<dot, place> places_; ///< of each live dot, the entry it is in
};

/// Several stores side by side under one context.
template <dot_store... Parts>
struct store_product : part_tuple<Parts...> {
  [[nodiscard]] bool empty() const noexcept {
    return std::apply([](const auto&... each) { return (each.empty() && ...); },
                      this->parts);
  }

  void join(const causal_context& mine, const store_product& other,
            const causal_context& theirs) {
    store_product::for_each_index([&]<std::size_t Part>() {
      this->template part<Part>().join(mine, other.template part<Part>(),
                                       theirs);
    });
  }

  template <class Function>
  void for_each_dot(Function function) const {
    store_product::for_each_index([&]<std::size_t Part>() {
      this->template part<Part>().for_each_dot(
        [&](const dot& what, std::uint64_t inner) {
          function(what, combine(Part, inner));
        });
    });
  }

  [[nodiscard]] std::optional<std::uint64_t> find_dot(const dot& what) const {
    std::optional<std::uint64_t> result;
    store_product::for_each_index([&]<std::size_t Part>() {
      if (auto inner = this->template part<Part>().find_dot(what);
          inner && !result)
        result = combine(Part, *inner);
    });
    return result;
  }

  void keep_only(const causal_context& wanted) {
    store_product::for_each_index([&]<std::size_t Part>() {
      this->template part<Part>().keep_only(wanted);
    });
  }

  void write(encoder& out, const causal_context& context) const {
    store_product::for_each_index([&]<std::size_t Part>() {
      this->template part<Part>().write(out, context);
    });
  }

  [[nodiscard]] static store_product read(decoder& in,
                                          const causal_context& context) {
    // Braces keep the order of evaluation.
    return {{std::tuple<Parts...>{Parts::read(in, context)...}}};
  }

  static void describe(std::string& out) {
    out += "stores";
    store_product::describe_parts(out);
  }

  /// Changes one part by `change(store, how)`, a verb of that part.
  template <std::size_t Part, class Change>
  [[nodiscard]] expected<causal<store_product>> apply(const mutation& how,
                                                      Change change) const {
    auto inner = change(this->template part<Part>(), how);
    if (!inner)
      return inner.error();
    causal<store_product> result;
    result.context = std::move(inner->context);
    result.store.template part<Part>() = std::move(inner->store);
    return result;
  }

  friend bool operator==(const store_product&, const store_product&) = default;
};

/// "dot 7.0:5: seen with another value: ..."
[[nodiscard]] failure reused_dot(const dot& what);

/// "replica 7.0: the client has seen changes that did not come here: ..."
[[nodiscard]] failure not_seen_yet(replica_id here);

template <class Store>
expected<void> causal<Store>::check(const causal& other) const {
  auto result = context.check_merge(other.context);
  other.store.for_each_dot([&](const dot& what, std::uint64_t fingerprint) {
    if (!result || !context.contains(what))
      return;
    auto mine = store.find_dot(what);
    if (mine && *mine != fingerprint)
      result = reused_dot(what);
  });
  return result;
}

template <class Store>
causal<Store> causal<Store>::read(decoder& in) {
  static_assert(dot_store<Store>);
  causal result;
  result.context = causal_context::read(in);
  result.store = Store::read(in, result.context);
  if (in.failed())
    return {};
  std::vector<dot> all;
  result.store.for_each_dot(
    [&](const dot& what, std::uint64_t) { all.push_back(what); });
  std::sort(all.begin(), all.end());
  auto twice = std::adjacent_find(all.begin(), all.end());
  if (twice != all.end())
    in.fail("the dot " + to_string(*twice) + " twice");
  return result;
}

} // namespace neuroplex::crdt
