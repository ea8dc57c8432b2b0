// Join semilattices, and how to make larger ones out of smaller ones.
//
// Purpose: a state is a value with a `join` that is associative, commutative
// and idempotent (Shapiro, Preguica, Baquero, Zawirski, "Conflict-free
// replicated data types", 2011, section 2.2). The compositions here are those
// of Baquero, Almeida, Cunha, Ferreira, "Composition of state-based CRDTs"
// (2015): products, maps, lexicographic pairs. Whatever is put together has
// delta, merge, codec and digest at once, since a delta is a small state of the
// same type.
//
// Threads: plain values.
//
// Failure behaviour: `check` refuses a state that no correct replica can hold
// beside this one; `join` of a state that was checked does not fail.
#pragma once

#include "crdt/codec.hpp"

#include <concepts>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace neuroplex::crdt {

template <class L>
concept lattice =
  std::default_initializable<L> && std::equality_comparable<L> && requires(
    L& mine, const L& other, encoder& out, decoder& in, std::string& text) {
  mine.join(other);
  { other.check(other) } -> std::same_as<expected<void>>;
  other.write(out);
  { L::read(in) } -> std::same_as<L>;
  L::describe(text);
};

/// The larger of two values. `T{}` is less than all others or equal.
template <class T>
struct max_value {
  T value{};

  void join(const max_value& other) {
    if (value < other.value)
      value = other.value;
  }

  [[nodiscard]] expected<void> check(const max_value&) const {
    return {};
  }

  void write(encoder& out) const {
    codec<T>::write(out, value);
  }

  [[nodiscard]] static max_value read(decoder& in) {
    return {codec<T>::read(in)};
  }

  static void describe(std::string& out) {
    out += "max(";
    codec<T>::describe(out);
    out += ')';
  }

  friend auto operator<=>(const max_value&, const max_value&) = default;
};

/// A count that only grows, from 0 to 2^63 - 1, in as few bytes as it needs.
struct tally {
  std::int64_t value = 0;

  void join(const tally& other) {
    if (value < other.value)
      value = other.value;
  }

  [[nodiscard]] expected<void> check(const tally&) const {
    return {};
  }

  void write(encoder& out) const {
    out.put_varint(static_cast<std::uint64_t>(value));
  }

  [[nodiscard]] static tally read(decoder& in) {
    auto value = in.take_varint();
    if (value > INT64_MAX)
      in.fail("a count above 2^63 - 1");
    return {static_cast<std::int64_t>(value)};
  }

  static void describe(std::string& out) {
    out += "tally";
  }

  /// Refuses what would leave the range, and leaves this as it was.
  [[nodiscard]] expected<tally> plus(std::int64_t amount) const {
    tally sum;
    if (amount < 0)
      return failure{errc::bad_argument,
                     "CRDT counter: " + std::to_string(amount)
                       + ": expected 0 or more: use the verb for the other "
                         "direction"};
    if (__builtin_add_overflow(value, amount, &sum.value))
      return failure{errc::overflow,
                     "CRDT counter: " + std::to_string(value) + " + "
                       + std::to_string(amount)
                       + ": a replica's share ends at 2^63 - 1: nothing was "
                         "changed"};
    return sum;
  }

  friend auto operator<=>(const tally&, const tally&) = default;
};

/// All elements of both.
template <class T>
struct set_union {
  std::set<T> elements;

  void join(const set_union& other) {
    elements.insert(other.elements.begin(), other.elements.end());
  }

  [[nodiscard]] expected<void> check(const set_union&) const {
    return {};
  }

  void write(encoder& out) const {
    out.put_varint(elements.size());
    for (const auto& element : elements)
      codec<T>::write(out, element);
  }

  [[nodiscard]] static set_union read(decoder& in) {
    set_union result;
    auto count = in.take_count();
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto element = codec<T>::read(in);
      if (!result.elements.empty() && !(*result.elements.rbegin() < element))
        in.fail("elements out of order");
      result.elements.insert(result.elements.end(), std::move(element));
    }
    return result;
  }

  static void describe(std::string& out) {
    out += "set(";
    codec<T>::describe(out);
    out += ')';
  }

  friend bool operator==(const set_union&, const set_union&) = default;
};

/// Key by key; a key that lacks stands for the least value.
template <class Key, lattice Value>
struct map_of {
  std::map<Key, Value> entries;

  void join(const map_of& other) {
    for (const auto& [key, value] : other.entries)
      entries[key].join(value);
  }

  [[nodiscard]] expected<void> check(const map_of& other) const {
    auto keys = entries.size();
    for (const auto& [key, value] : other.entries) {
      auto at = entries.find(key);
      if (at == entries.end()) {
        ++keys;
        continue;
      }
      if (auto fits = at->second.check(value); !fits)
        return fits;
    }
    if constexpr (std::is_same_v<Key, replica_id>)
      return check_replica_count(keys);
    else
      return {};
  }

  void write(encoder& out) const {
    out.put_varint(entries.size());
    for (const auto& [key, value] : entries) {
      codec<Key>::write(out, key);
      value.write(out);
    }
  }

  [[nodiscard]] static map_of read(decoder& in) {
    map_of result;
    auto count = in.take_count();
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto key = codec<Key>::read(in);
      auto value = Value::read(in);
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

  friend bool operator==(const map_of&, const map_of&) = default;
};

/// Values side by side, by number.
template <class... Parts>
struct part_tuple {
  std::tuple<Parts...> parts;

  template <std::size_t Part>
  [[nodiscard]] auto& part() noexcept {
    return std::get<Part>(parts);
  }

  template <std::size_t Part>
  [[nodiscard]] const auto& part() const noexcept {
    return std::get<Part>(parts);
  }

  friend bool operator==(const part_tuple&, const part_tuple&) = default;

protected:
  template <class Function>
  static void for_each_index(Function function) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (function.template operator()<Index>(), ...);
    }
    (std::index_sequence_for<Parts...>{});
  }

  static void describe_parts(std::string& out) {
    out += '(';
    (
      [&] {
        Parts::describe(out);
        out += ';';
      }(),
      ...);
    out += ')';
  }
};

/// Each part by itself.
template <lattice... Parts>
struct product : part_tuple<Parts...> {
  void join(const product& other) {
    product::for_each_index([&]<std::size_t Part>() {
      this->template part<Part>().join(other.template part<Part>());
    });
  }

  [[nodiscard]] expected<void> check(const product& other) const {
    expected<void> result;
    product::for_each_index([&]<std::size_t Part>() {
      if (result)
        result = this->template part<Part>().check(other.template part<Part>());
    });
    return result;
  }

  void write(encoder& out) const {
    product::for_each_index(
      [&]<std::size_t Part>() { this->template part<Part>().write(out); });
  }

  [[nodiscard]] static product read(decoder& in) {
    // Braces keep the order of evaluation.
    return {{std::tuple<Parts...>{Parts::read(in)...}}};
  }

  static void describe(std::string& out) {
    out += "product";
    product::describe_parts(out);
  }

  friend bool operator==(const product&, const product&) = default;
};

/// A pair in which a larger first part wins with all that comes with it; among
/// equal first parts the second parts are joined. The order of `First` is
/// total.
template <lattice First, lattice Second>
struct lexicographic {
  First first;
  Second second;

  void join(const lexicographic& other) {
    if (first < other.first)
      *this = other;
    else if (first == other.first)
      second.join(other.second);
  }

  [[nodiscard]] expected<void> check(const lexicographic& other) const {
    return first == other.first ? second.check(other.second) : expected<void>{};
  }

  void write(encoder& out) const {
    first.write(out);
    second.write(out);
  }

  [[nodiscard]] static lexicographic read(decoder& in) {
    auto first = First::read(in);
    return {std::move(first), Second::read(in)};
  }

  static void describe(std::string& out) {
    out += "lexicographic(";
    First::describe(out);
    out += ',';
    Second::describe(out);
    out += ')';
  }

  friend auto operator<=>(const lexicographic&, const lexicographic&) = default;
};

} // namespace neuroplex::crdt
