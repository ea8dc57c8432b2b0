// What becomes of values that were written concurrently.
//
// Purpose: a register of versions keeps all that no later write has seen. A
// resolver looks at them and answers one; writing that one replaces those that
// it was chosen from, and no other. Replicas with the same versions answer the
// same, so it does not matter who resolves first.
//
// Threads: plain values; a resolver of yours must be a pure function.
#pragma once

#include "crdt/causal_types.hpp"
#include "crdt/hybrid_clock.hpp"

#include <algorithm>
#include <functional>
#include <vector>

namespace neuroplex::crdt {

/// A value, when it was written, and by whom.
template <class T>
struct version {
  hybrid_timestamp timestamp;
  replica_id writer;
  T value{};

  friend auto operator<=>(const version&, const version&) = default;
};

template <class T>
struct codec<version<T>> {
  static void describe(std::string& out) {
    out += "version(";
    codec<T>::describe(out);
    out += ')';
  }

  static expected<void> check(const version<T>& value) {
    return codec<T>::check(value.value);
  }

  static void write(encoder& out, const version<T>& value) {
    out.put_fixed64(value.timestamp.bits);
    out.put_replica(value.writer);
    codec<T>::write(out, value.value);
  }

  static version<T> read(decoder& in) {
    version<T> result;
    result.timestamp.bits = in.take_fixed64();
    result.writer = in.take_replica();
    result.value = codec<T>::read(in);
    return result;
  }
};

/// The versions of a register that no later write has seen. Without a resolver
/// this is the causal policy: later replaces earlier, concurrent stays.
template <class T>
using versioned_register = mv_register<version<T>>;

/// Answers the value that stands for concurrent `versions`, of which there are
/// two or more, sorted by (timestamp, writer).
template <class T>
using conflict_resolver =
  std::function<T(const std::vector<version<T>>& versions)>;

/// Keeps what was written last.
template <class T>
[[nodiscard]] conflict_resolver<T> last_writer_wins() {
  return [](const std::vector<version<T>>& versions) {
    return versions.back().value;
  };
}

/// Writes what `resolver` answers, if there is anything to resolve, with the
/// largest of the stamps: a resolution is no newer than what it resolves. The
/// delta is empty when there was nothing.
template <class T>
[[nodiscard]] expected<versioned_register<T>>
resolve(versioned_register<T>& value, replica_id by,
        const conflict_resolver<T>& resolver) {
  auto concurrent = value.value();
  if (concurrent.size() < 2)
    return versioned_register<T>{};
  std::vector<version<T>> versions{concurrent.begin(), concurrent.end()};
  auto chosen = resolver(versions);
  return value.write(by, {versions.back().timestamp, by, std::move(chosen)});
}

} // namespace neuroplex::crdt
