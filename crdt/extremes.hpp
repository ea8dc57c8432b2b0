// Registers that keep the largest or the smallest value ever written.
//
// Source: the chains of Baquero, Almeida, Cunha, Ferreira, "Composition of
// state-based CRDTs" (2015), section 3.
#pragma once

#include "crdt/state.hpp"

#include <optional>

namespace neuroplex::crdt {

/// Compares the wrong way round.
template <class T>
struct reversed {
  T value{};

  friend auto operator<=>(const reversed& a, const reversed& b) {
    return b.value <=> a.value;
  }
  friend bool operator==(const reversed&, const reversed&) = default;
};

template <class T>
struct codec<reversed<T>> {
  static void describe(std::string& out) {
    out += "reversed(";
    codec<T>::describe(out);
    out += ')';
  }

  static expected<void> check(const reversed<T>& value) {
    return codec<T>::check(value.value);
  }

  static void write(encoder& out, const reversed<T>& value) {
    codec<T>::write(out, value.value);
  }

  static reversed<T> read(decoder& in) {
    return {codec<T>::read(in)};
  }
};

/// Whether anything was written, and the extreme of it.
template <class T>
using extreme = lexicographic<max_value<bool>, max_value<T>>;

template <class T>
class max_register : public state<max_register<T>, extreme<T>> {
public:
  [[nodiscard]] expected<max_register> write(replica_id, T value) {
    if (auto fits = codec<T>::check(value); !fits)
      return fits.error();
    // The first write replaces what stood for "nothing".
    return this->commit(extreme<T>{{true}, {std::move(value)}});
  }

  /// Nothing when nothing was written.
  [[nodiscard]] std::optional<T> value() const {
    if (!this->lattice_.first.value)
      return std::nullopt;
    return this->lattice_.second.value;
  }
};

template <class T>
class min_register : public state<min_register<T>, extreme<reversed<T>>> {
public:
  [[nodiscard]] expected<min_register> write(replica_id, T value) {
    if (auto fits = codec<T>::check(value); !fits)
      return fits.error();
    return this->commit(extreme<reversed<T>>{{true}, {{std::move(value)}}});
  }

  /// Nothing when nothing was written.
  [[nodiscard]] std::optional<T> value() const {
    if (!this->lattice_.first.value)
      return std::nullopt;
    return this->lattice_.second.value.value;
  }
};

} // namespace neuroplex::crdt
