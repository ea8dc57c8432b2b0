// The types that live under a causal context, as stores: what a map may hold,
// and what a composition is made of.
//
// Purpose: each is a dot store with a name of its own, so that bytes of one are
// never taken for another, and with its verbs. A verb is const and answers the
// change (`dot_stores.hpp`).
//
// Sources: Almeida, Shoker, Baquero, "Delta state replicated data types"
// (2018), section 7 (sets, register, flag, map); Bieniusa et al., "An optimized
// conflict-free replicated set" (2012).
#pragma once

#include "crdt/dot_stores.hpp"

#include <set>

namespace neuroplex::crdt {

/// On while an enable that no disable has seen is there.
struct flag_store : dot_set {
  [[nodiscard]] expected<causal<flag_store>> enable(const mutation& how) const {
    auto next = how.next();
    if (!next)
      return next.error();
    causal<flag_store> change;
    how.replace(*this, change.context);
    change.context.add(*next);
    change.store.dots.push_back(*next);
    return change;
  }

  [[nodiscard]] expected<causal<flag_store>>
  disable(const mutation& how) const {
    causal<flag_store> change;
    how.replace(*this, change.context);
    return change;
  }

  [[nodiscard]] bool value() const noexcept {
    return !empty();
  }

  [[nodiscard]] static flag_store read(decoder& in,
                                       const causal_context& context) {
    return {dot_set::read(in, context)};
  }

  static void describe(std::string& out) {
    out += "enable_wins_flag";
  }
};

/// The values that were written and that no later write has seen.
template <class T>
struct register_store : dot_fun<T> {
  [[nodiscard]] expected<causal<register_store>> write(const mutation& how,
                                                       T value) const {
    if (auto fits = codec<T>::check(value); !fits)
      return fits.error();
    auto next = how.next();
    if (!next)
      return next.error();
    causal<register_store> change;
    how.replace(*this, change.context);
    change.context.add(*next);
    change.store.values.emplace_back(*next, std::move(value));
    return change;
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& [what, value] : this->values)
      result.insert(value);
    return result;
  }

  using dot_fun<T>::write;

  [[nodiscard]] static register_store read(decoder& in,
                                           const causal_context& context) {
    return {dot_fun<T>::read(in, context)};
  }

  static void describe(std::string& out) {
    out += "mv_register(";
    codec<T>::describe(out);
    out += ')';
  }
};

/// A counter inside a map: each replica keeps its sum under its latest dot, so
/// that an erase takes all that it has seen. What a replica counts while
/// another erases brings back that replica's whole sum, and only that: a dot
/// that was replaced cannot be split.
struct counter_store : dot_fun<std::int64_t> {
  /// `amount` may be negative.
  [[nodiscard]] expected<causal<counter_store>> add(const mutation& how,
                                                    std::int64_t amount) const;

  /// The sum; 0 when there is none.
  __extension__ [[nodiscard]] __int128 value() const;

  [[nodiscard]] static counter_store read(decoder& in,
                                          const causal_context& context) {
    return {dot_fun<std::int64_t>::read(in, context)};
  }

  static void describe(std::string& out) {
    out += "counter";
  }
};

/// What sets have in common whose elements have dots.
/// `Derived::is_in(dots)` says whether an element with `dots` is in the set.
template <class Derived, class T, dot_store Dots>
struct element_store : dot_map<T, Dots> {
  [[nodiscard]] bool contains(const T& element) const {
    const auto* found = this->find(element);
    return found != nullptr && Derived::is_in(*found);
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& [element, dots] : this->entries())
      if (Derived::is_in(dots))
        result.insert(result.end(), element);
    return result;
  }

  [[nodiscard]] static Derived read(decoder& in,
                                    const causal_context& context) {
    return {{dot_map<T, Dots>::read(in, context)}};
  }

protected:
  /// Gives `element` what `dots_with` makes of a new dot, in the place of what
  /// was seen of it.
  template <class DotsWith>
  [[nodiscard]] expected<causal<Derived>> renew(const mutation& how, T element,
                                                DotsWith dots_with) const {
    if (auto fits = codec<T>::check(element); !fits)
      return fits.error();
    auto next = how.next();
    if (!next)
      return next.error();
    causal<Derived> change;
    if (const auto* found = this->find(element))
      how.replace(*found, change.context);
    change.context.add(*next);
    change.store.put(std::move(element), dots_with(dot_set{{*next}}));
    return change;
  }
};

/// An add wins over a remove that has not seen it.
template <class T>
struct add_wins_store : element_store<add_wins_store<T>, T, dot_set> {
  [[nodiscard]] expected<causal<add_wins_store>> add(const mutation& how,
                                                     T element) const {
    return this->renew(how, std::move(element),
                       [](dot_set one) { return one; });
  }

  [[nodiscard]] expected<causal<add_wins_store>>
  remove(const mutation& how, const T& element) const {
    causal<add_wins_store> change;
    if (const auto* found = this->find(element))
      how.replace(*found, change.context);
    return change;
  }

  static void describe(std::string& out) {
    out += "add_wins_set(";
    codec<T>::describe(out);
    out += ')';
  }

  [[nodiscard]] static bool is_in(const dot_set&) noexcept {
    return true;
  }
};

/// The adds of an element that nobody has seen, and the removes.
using adds_and_removes = store_product<dot_set, dot_set>;

/// A remove wins over an add that has not seen it. An element that was removed
/// keeps a dot until it is added again: that is what there is to win.
template <class T>
struct remove_wins_store
  : element_store<remove_wins_store<T>, T, adds_and_removes> {
  [[nodiscard]] expected<causal<remove_wins_store>> add(const mutation& how,
                                                        T element) const {
    return this->renew(how, std::move(element), as_part<0>);
  }

  [[nodiscard]] expected<causal<remove_wins_store>> remove(const mutation& how,
                                                           T element) const {
    return this->renew(how, std::move(element), as_part<1>);
  }

  static void describe(std::string& out) {
    out += "remove_wins_set(";
    codec<T>::describe(out);
    out += ')';
  }

  [[nodiscard]] static bool is_in(const adds_and_removes& dots) noexcept {
    return dots.part<1>().empty() && !dots.part<0>().empty();
  }

private:
  template <std::size_t Part>
  [[nodiscard]] static adds_and_removes as_part(const dot_set& one) {
    adds_and_removes result;
    result.part<Part>() = one;
    return result;
  }
};

/// A map from keys to any of these stores, maps included. `erase` removes what
/// it has seen (reset-remove); a key is there while its store is not empty.
template <class Key, dot_store Value>
struct map_store : dot_map<Key, Value> {
  /// `change(store, how)` is a verb of the store at `key`.
  template <class Change>
  [[nodiscard]] expected<causal<map_store>>
  apply(const mutation& how, const Key& key, Change change) const {
    return named(dot_map<Key, Value>::apply(how, key, std::move(change)));
  }

  [[nodiscard]] expected<causal<map_store>> erase(const mutation& how,
                                                  const Key& key) const {
    return named(dot_map<Key, Value>::erase(how, key));
  }

  [[nodiscard]] static map_store read(decoder& in,
                                      const causal_context& context) {
    return {dot_map<Key, Value>::read(in, context)};
  }

  static void describe(std::string& out) {
    out += "or_map(";
    codec<Key>::describe(out);
    out += ',';
    Value::describe(out);
    out += ')';
  }

private:
  static expected<causal<map_store>>
  named(expected<causal<dot_map<Key, Value>>> change) {
    if (!change)
      return change.error();
    return causal<map_store>{{std::move(change->store)},
                             std::move(change->context)};
  }
};

} // namespace neuroplex::crdt
