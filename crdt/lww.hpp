// The last writer wins: a register, and a set of such.
//
// Source: Shapiro et al., "A comprehensive study of convergent and commutative
// replicated data types" (2011), specification 8.
//
// Invariants: writes are ordered by (timestamp, replica, value), which is
// total, so all replicas keep the same one whatever arrived first. Timestamps
// come from `hybrid_clock`, or from whatever the caller orders by.
#pragma once

#include "crdt/state.hpp"

#include <optional>

namespace neuroplex::crdt {

/// Whether anything was written, when, and by whom.
using write_stamp = std::pair<bool, std::pair<std::uint64_t, replica_id>>;

template <class T>
using last_write = lexicographic<max_value<write_stamp>, max_value<T>>;

template <class T>
class lww_register : public state<lww_register<T>, last_write<T>> {
public:
  /// A write with a stamp below that of the present value has no effect.
  [[nodiscard]] expected<lww_register> write(replica_id by, T value,
                                             std::uint64_t timestamp) {
    if (auto fits = codec<T>::check(value); !fits)
      return fits.error();
    return this->commit(
      last_write<T>{{{true, {timestamp, by}}}, {std::move(value)}});
  }

  /// Nothing when nothing was written.
  [[nodiscard]] std::optional<T> value() const {
    if (!this->lattice_.first.value.first)
      return std::nullopt;
    return this->lattice_.second.value;
  }

  /// Of the present value; 0 when there is none.
  [[nodiscard]] std::uint64_t timestamp() const noexcept {
    return this->lattice_.first.value.second.first;
  }
};

/// A set in which the last add or remove of an element wins. Removes are kept
/// for ever; take it only where adds and removes must be ordered by time.
template <class T>
class lww_set : public state<lww_set<T>, map_of<T, last_write<bool>>> {
public:
  [[nodiscard]] expected<lww_set> add(replica_id by, T element,
                                      std::uint64_t timestamp) {
    return change(by, std::move(element), timestamp, true);
  }

  [[nodiscard]] expected<lww_set> remove(replica_id by, T element,
                                         std::uint64_t timestamp) {
    return change(by, std::move(element), timestamp, false);
  }

  [[nodiscard]] bool contains(const T& element) const {
    auto at = this->lattice_.entries.find(element);
    return at != this->lattice_.entries.end() && at->second.second.value;
  }

  [[nodiscard]] std::size_t size() const {
    return value().size();
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& [element, last] : this->lattice_.entries)
      if (last.second.value)
        result.insert(result.end(), element);
    return result;
  }

private:
  [[nodiscard]] expected<lww_set>
  change(replica_id by, T element, std::uint64_t timestamp, bool present) {
    if (auto fits = codec<T>::check(element); !fits)
      return fits.error();
    map_of<T, last_write<bool>> change;
    change.entries.emplace(
      std::move(element),
      last_write<bool>{{{true, {timestamp, by}}}, {present}});
    return this->commit(std::move(change));
  }
};

} // namespace neuroplex::crdt
