// A set whose elements come once and go once: what was removed stays away.
//
// Source: Shapiro et al., "A comprehensive study of convergent and commutative
// replicated data types" (2011), specification 12. As there, only what is in
// the set can be removed: a remove of anything else changes nothing.
#pragma once

#include "crdt/state.hpp"

namespace neuroplex::crdt {

/// Adds, and removes.
template <class T>
class two_phase_set
  : public state<two_phase_set<T>, product<set_union<T>, set_union<T>>> {
public:
  [[nodiscard]] expected<two_phase_set> add(replica_id, T element) {
    if (auto fits = codec<T>::check(element); !fits)
      return fits.error();
    product<set_union<T>, set_union<T>> change;
    change.template part<0>().elements.insert(std::move(element));
    return this->commit(std::move(change));
  }

  [[nodiscard]] expected<two_phase_set> remove(replica_id, T element) {
    product<set_union<T>, set_union<T>> change;
    // With its add, so that nobody sees the remove of what was never there.
    if (contains(element)) {
      change.template part<0>().elements.insert(element);
      change.template part<1>().elements.insert(std::move(element));
    }
    return this->commit(std::move(change));
  }

  [[nodiscard]] bool contains(const T& element) const {
    return this->lattice_.template part<0>().elements.contains(element)
           && !this->lattice_.template part<1>().elements.contains(element);
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& element : this->lattice_.template part<0>().elements)
      if (contains(element))
        result.insert(result.end(), element);
    return result;
  }

  [[nodiscard]] std::size_t size() const {
    return value().size();
  }
};

} // namespace neuroplex::crdt
