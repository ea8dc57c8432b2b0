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
// Cost: joining walks both stores. `or_set` has an index by dot instead.
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
  mine.keep_only(context);
  other.write(out, context);
  { S::read(in, context) } -> std::same_as<S>;
  S::describe(text);
};

/// What a verb of a store is told.
struct mutation {
  const causal_context& seen;
  replica_id by;

  /// The dot of this change.
  [[nodiscard]] expected<dot> next() const {
    return seen.next(by);
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
    std::vector<std::pair<dot, Value>> joined;
    auto a = values.begin();
    auto b = other.values.begin();
    while (a != values.end() || b != other.values.end()) {
      if (b == other.values.end()
          || (a != values.end() && a->first < b->first)) {
        if (!theirs.contains(a->first))
          joined.push_back(std::move(*a));
        ++a;
      } else if (a == values.end() || b->first < a->first) {
        if (!mine.contains(b->first))
          joined.push_back(*b);
        ++b;
      } else {
        joined.push_back(std::move(*a));
        ++a;
        ++b;
      }
    }
    values = std::move(joined);
  }

  template <class Function>
  void for_each_dot(Function function) const {
    for (const auto& [what, value] : values)
      function(what, fingerprint_of(value));
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
struct dot_map {
  std::map<Key, Value> entries;

  [[nodiscard]] bool empty() const noexcept {
    return entries.empty();
  }

  void join(const causal_context& mine, const dot_map& other,
            const causal_context& theirs) {
    static const Value nothing{};
    auto at = entries.begin();
    auto their = other.entries.begin();
    while (at != entries.end() || their != other.entries.end()) {
      auto alone = their == other.entries.end()
                   || (at != entries.end() && at->first < their->first);
      if (!alone && (at == entries.end() || their->first < at->first))
        at = entries.emplace_hint(at, their->first, Value{});
      at->second.join(mine, alone ? nothing : their->second, theirs);
      at = at->second.empty() ? entries.erase(at) : std::next(at);
      if (!alone)
        ++their;
    }
  }

  template <class Function>
  void for_each_dot(Function function) const {
    for (const auto& [key, value] : entries) {
      auto place = fingerprint_of(key);
      value.for_each_dot([&](const dot& what, std::uint64_t inner) {
        function(what, combine(place, inner));
      });
    }
  }

  void keep_only(const causal_context& wanted) {
    for (auto& [key, value] : entries)
      value.keep_only(wanted);
    std::erase_if(entries, [](const auto& one) { return one.second.empty(); });
  }

  void write(encoder& out, const causal_context& context) const {
    out.put_varint(entries.size());
    for (const auto& [key, value] : entries) {
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
      if (!result.entries.empty() && !(result.entries.rbegin()->first < key))
        in.fail("keys out of order");
      result.entries.emplace_hint(result.entries.end(), std::move(key),
                                  std::move(value));
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

  [[nodiscard]] const Value* find(const Key& key) const {
    auto at = entries.find(key);
    return at == entries.end() ? nullptr : &at->second;
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
      result.store.entries.emplace(key, std::move(inner->store));
    return result;
  }

  /// Removes all that was seen at `key`; what others add meanwhile stays
  /// (reset-remove).
  [[nodiscard]] expected<causal<dot_map>> erase(const mutation&,
                                                const Key& key) const {
    causal<dot_map> result;
    if (const auto* found = find(key))
      found->for_each_dot(
        [&](const dot& what, std::uint64_t) { result.context.add(what); });
    return result;
  }

  friend bool operator==(const dot_map&, const dot_map&) = default;
};

/// Several stores side by side under one context.
template <dot_store... Parts>
struct store_product {
  std::tuple<Parts...> parts;

  template <std::size_t Part>
  [[nodiscard]] auto& part() noexcept {
    return std::get<Part>(parts);
  }

  template <std::size_t Part>
  [[nodiscard]] const auto& part() const noexcept {
    return std::get<Part>(parts);
  }

  [[nodiscard]] bool empty() const noexcept {
    return std::apply([](const auto&... each) { return (each.empty() && ...); },
                      parts);
  }

  void join(const causal_context& mine, const store_product& other,
            const causal_context& theirs) {
    for_each_index([&]<std::size_t Part>() {
      part<Part>().join(mine, other.template part<Part>(), theirs);
    });
  }

  template <class Function>
  void for_each_dot(Function function) const {
    for_each_index([&]<std::size_t Part>() {
      part<Part>().for_each_dot([&](const dot& what, std::uint64_t inner) {
        function(what, combine(Part, inner));
      });
    });
  }

  void keep_only(const causal_context& wanted) {
    for_each_index([&]<std::size_t Part>() { part<Part>().keep_only(wanted); });
  }

  void write(encoder& out, const causal_context& context) const {
    for_each_index(
      [&]<std::size_t Part>() { part<Part>().write(out, context); });
  }

  [[nodiscard]] static store_product read(decoder& in,
                                          const causal_context& context) {
    // Braces keep the order of evaluation.
    return {std::tuple<Parts...>{Parts::read(in, context)...}};
  }

  static void describe(std::string& out) {
    out += "stores(";
    (
      [&] {
        Parts::describe(out);
        out += ';';
      }(),
      ...);
    out += ')';
  }

  /// Changes one part by `change(store, how)`, a verb of that part.
  template <std::size_t Part, class Change>
  [[nodiscard]] expected<causal<store_product>> apply(const mutation& how,
                                                      Change change) const {
    auto inner = change(part<Part>(), how);
    if (!inner)
      return inner.error();
    causal<store_product> result;
    result.context = std::move(inner->context);
    result.store.template part<Part>() = std::move(inner->store);
    return result;
  }

  friend bool operator==(const store_product&, const store_product&) = default;

private:
  template <class Function>
  static void for_each_index(Function function) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (function.template operator()<Index>(), ...);
    }
    (std::index_sequence_for<Parts...>{});
  }
};

/// A dot, and where and for what it stands.
struct placed_dot {
  dot what;
  std::uint64_t fingerprint = 0;

  friend auto operator<=>(const placed_dot&, const placed_dot&) = default;
};

/// Refuses two places or values of one dot in the union of both, which get
/// sorted.
[[nodiscard]] expected<void> check_places(std::vector<placed_dot>& theirs,
                                          std::vector<placed_dot>& mine);

/// "dot 7.0:5: seen with another value: ..."
[[nodiscard]] failure reused_dot(const dot& what);

template <class Store>
expected<void> causal<Store>::check(const causal& other) const {
  if (auto fits = context.check_merge(other.context); !fits)
    return fits;
  std::vector<placed_dot> theirs;
  other.store.for_each_dot([&](const dot& what, std::uint64_t fingerprint) {
    if (context.contains(what))
      theirs.push_back({what, fingerprint});
  });
  if (theirs.empty())
    return {};
  std::vector<placed_dot> mine;
  store.for_each_dot([&](const dot& what, std::uint64_t fingerprint) {
    if (other.context.contains(what))
      mine.push_back({what, fingerprint});
  });
  return check_places(theirs, mine);
}

template <class Store>
causal<Store> causal<Store>::read(decoder& in) {
  static_assert(dot_store<Store>);
  causal result;
  result.context = causal_context::read(in);
  result.store = Store::read(in, result.context);
  if (in.failed())
    return {};
  std::vector<placed_dot> all;
  result.store.for_each_dot([&](const dot& what, std::uint64_t fingerprint) {
    all.push_back({what, fingerprint});
  });
  std::sort(all.begin(), all.end());
  auto twice = std::adjacent_find(
    all.begin(), all.end(),
    [](const placed_dot& a, const placed_dot& b) { return a.what == b.what; });
  if (twice != all.end())
    in.fail("the dot " + to_string(twice->what) + " twice");
  return result;
}

} // namespace neuroplex::crdt
