// Register, flag, sets and map that keep what was concurrent: the stores of
// `stores.hpp` as types of their own.
//
// `or_set` (or_set.hpp) is the add-wins set for large sets.
#pragma once

#include "crdt/counters.hpp"
#include "crdt/state.hpp"
#include "crdt/stores.hpp"

namespace neuroplex::crdt {

/// A register that shows all values that no later write has seen.
template <class T>
class mv_register : public state<mv_register<T>, causal<register_store<T>>> {
public:
  [[nodiscard]] expected<mv_register> write(replica_id by, T value,
                                            observed_changes observed = {}) {
    auto write = [&](const auto& store, const mutation& how) {
      return store.write(how, std::move(value));
    };
    return this->commit_by(by, write, observed);
  }

  /// One value, or those that are concurrent; none before the first write.
  [[nodiscard]] std::set<T> value() const {
    return this->lattice_.store.value();
  }
};

/// A flag whose enable wins over a disable that has not seen it.
class enable_wins_flag : public state<enable_wins_flag, causal<flag_store>> {
public:
  [[nodiscard]] expected<enable_wins_flag> enable(replica_id by) {
    return commit_by(by, [](const auto& store, const mutation& how) {
      return store.enable(how);
    });
  }

  [[nodiscard]] expected<enable_wins_flag>
  disable(replica_id by, observed_changes observed = {}) {
    auto disable = [](const auto& store, const mutation& how) {
      return store.disable(how);
    };
    return commit_by(by, disable, observed);
  }

  [[nodiscard]] bool value() const noexcept {
    return lattice_.store.value();
  }
};

/// A set whose remove wins over an add that has not seen it.
template <class T>
class remove_wins_set
  : public state<remove_wins_set<T>, causal<remove_wins_store<T>>> {
public:
  /// Wins over the removes that were observed, and over no other.
  [[nodiscard]] expected<remove_wins_set> add(replica_id by, T element,
                                              observed_changes observed = {}) {
    auto add = [&](const auto& store, const mutation& how) {
      return store.add(how, std::move(element));
    };
    return this->commit_by(by, add, observed);
  }

  [[nodiscard]] expected<remove_wins_set> remove(replica_id by, T element) {
    return this->commit_by(by, [&](const auto& store, const mutation& how) {
      return store.remove(how, std::move(element));
    });
  }

  [[nodiscard]] bool contains(const T& element) const {
    return this->lattice_.store.contains(element);
  }

  [[nodiscard]] std::size_t size() const {
    return value().size();
  }

  [[nodiscard]] std::set<T> value() const {
    return this->lattice_.store.value();
  }
};

/// A map from keys to any store of `stores.hpp`, maps included.
template <class Key, dot_store Value>
class or_map : public state<or_map<Key, Value>, causal<map_store<Key, Value>>> {
public:
  /// `change(store, how)` is a verb of the store at `key`, which is made when
  /// it is not there: `[&](auto& set, auto& how) { return set.add(how, e); }`.
  template <class Change>
  [[nodiscard]] expected<or_map> apply(replica_id by, const Key& key,
                                       Change change,
                                       observed_changes observed = {}) {
    auto apply = [&](const auto& store, const mutation& how) {
      return store.apply(how, key, std::move(change));
    };
    return this->commit_by(by, apply, observed);
  }

  /// Removes all that was observed at `key`.
  [[nodiscard]] expected<or_map> erase(replica_id by, const Key& key,
                                       observed_changes observed = {}) {
    auto erase = [&](const auto& store, const mutation& how) {
      return store.erase(how, key);
    };
    return this->commit_by(by, erase, observed);
  }

  /// The store at `key`; null when it is empty.
  [[nodiscard]] const Value* find(const Key& key) const {
    return this->lattice_.store.find(key);
  }

  [[nodiscard]] bool contains(const Key& key) const {
    return find(key) != nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return value().size();
  }

  [[nodiscard]] const std::map<Key, Value>& value() const noexcept {
    return this->lattice_.store.entries();
  }
};

} // namespace neuroplex::crdt
