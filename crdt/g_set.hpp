// A set that only grows.
//
// Source: Shapiro et al., "A comprehensive study of convergent and commutative
// replicated data types" (2011), specification 11.
#pragma once

#include "crdt/state.hpp"

namespace neuroplex::crdt {

template <class T>
class g_set : public state<g_set<T>, set_union<T>> {
public:
  [[nodiscard]] expected<g_set> add(replica_id, T element) {
    if (auto fits = codec<T>::check(element); !fits)
      return fits.error();
    set_union<T> change;
    change.elements.insert(std::move(element));
    return this->commit(std::move(change));
  }

  [[nodiscard]] bool contains(const T& element) const {
    return value().contains(element);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return value().size();
  }

  [[nodiscard]] const std::set<T>& value() const noexcept {
    return this->lattice_.elements;
  }
};

} // namespace neuroplex::crdt
