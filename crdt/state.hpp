// What all CRDTs of this library have in common.
//
// Purpose: a type is a lattice (`lattice.hpp`, `dot_stores.hpp`) and its verbs.
// The rest comes from here, with the same names everywhere:
//
//   verb(replica, arguments...)  changes this state, answers the delta
//   merge(other)                 joins a delta or a whole state
//   value()                      what the state means now
//   encode(), decode(bytes)      bytes, for a disk or a peer
//   digest(), difference(digest) what a peer lacks
//
// A verb that takes something away takes what was seen here. Where a client
// read at another replica, or some time ago, a last argument says what it has
// seen, as `context()` was there; what it has not seen stays.
//
// A delta is a small state of the same type (`or_set` has a lighter one), and
// deltas may be merged into each other before they are sent.
//
// A state knows no replica of its own: the id is an argument of each verb, so
// that a copy of a state is a value like any other. Two replicas must never use
// one id, nor a replica an older state than its last; `merge` refuses what it
// can tell.
//
// Threads: plain values; const functions may run at the same time.
//
// Failure behaviour: a verb or a merge that fails changed nothing.
#pragma once

#include "crdt/dot_stores.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace neuroplex::crdt {

template <class L>
inline constexpr bool has_dots = false;

template <class Store>
inline constexpr bool has_dots<causal<Store>> = true;

template <class Derived, lattice Lattice>
class state {
public:
  using delta_type = Derived;
  using lattice_type = Lattice;

  /// Joins a delta or a state. Fails with `errc::conflict` when both use one
  /// dot for different things.
  [[nodiscard]] expected<void> merge(const Derived& other) {
    if (auto fits = lattice_.check(other.lattice_); !fits)
      return fits;
    lattice_.join(other.lattice_);
    return {};
  }

  /// Bytes that stand alone.
  [[nodiscard]] std::string encode() const {
    replica_table table;
    return encode(table);
  }

  /// Bytes for a link whose ends both keep a table, and which loses nothing.
  [[nodiscard]] std::string encode(replica_table& table) const {
    encoder out{table};
    lattice_.write(out);
    return out.finish(kind());
  }

  [[nodiscard]] static expected<Derived>
  decode(std::string_view bytes, const decode_limits& limits = {}) {
    replica_table table;
    return decode(bytes, table, limits);
  }

  [[nodiscard]] static expected<Derived>
  decode(std::string_view bytes, replica_table& table,
         const decode_limits& limits = {}) {
    decoder in{bytes, kind(), table, limits};
    Derived result;
    result.lattice_ = Lattice::read(in);
    if (auto read = in.finish(); !read)
      return read.error();
    return result;
  }

  [[nodiscard]] state_digest digest() const {
    if constexpr (has_dots<Lattice>)
      return {lattice_.context, lattice_.ranges(), lattice_.rest_hash()};
    else
      return {{}, {}, hash_bytes(encode())};
  }

  /// The delta that a replica with the digest `theirs` lacks; nothing when it
  /// lacks nothing that can be told from here.
  [[nodiscard]] std::optional<Derived>
  difference(const state_digest& theirs) const {
    Derived result;
    if constexpr (has_dots<Lattice>) {
      auto dots = dots_to_send(lattice_.context, lattice_.ranges(), theirs);
      auto rest = lattice_.rest_hash();
      if (dots.empty() && (rest == 0 || rest == theirs.whole))
        return std::nullopt;
      result.lattice_ = lattice_.restricted_to(std::move(dots));
    } else {
      if (theirs.whole == digest().whole)
        return std::nullopt;
      result.lattice_ = lattice_;
    }
    return result;
  }

  /// The state without what it keeps of a replica that is a member no more and
  /// of which nothing lives, once that is stable (`membership.hpp`).
  [[nodiscard]] expected<Derived>
  without(replica_id gone) const requires has_dots<Lattice> {
    if (auto held = held_of(gone); !held)
      return held.error();
    Derived result;
    result.lattice_ = lattice_;
    result.lattice_.context.erase(gone);
    return result;
  }

  /// What is held of `replica`, as a number to be compared. Fails with
  /// `errc::busy` while a change of it lives.
  [[nodiscard]] expected<std::uint64_t>
  held_of(replica_id replica) const requires has_dots<Lattice> {
    return digest().held_of(replica);
  }

  /// A number that stands for the structure of the type.
  [[nodiscard]] static std::uint32_t kind() {
    static const auto number = [] {
      std::string text;
      Lattice::describe(text);
      return kind_of(text);
    }();
    return number;
  }

  [[nodiscard]] const Lattice& lattice() const noexcept {
    return lattice_;
  }

  [[nodiscard]] const causal_context&
  context() const noexcept requires has_dots<Lattice> {
    return lattice_.context;
  }

  friend bool operator==(const state& a, const state& b) {
    return a.lattice_ == b.lattice_;
  }

protected:
  /// Joins `change`, and answers it as a delta.
  [[nodiscard]] expected<Derived> commit(expected<Lattice> change) {
    if (!change)
      return change.error();
    Derived delta;
    delta.lattice_ = *std::move(change);
    if (auto merged = merge(delta); !merged)
      return merged.error();
    return delta;
  }

  /// Changes the store by `change(store, how)`, a verb of the store. Fails with
  /// `errc::busy` when what was observed did not all come here yet.
  template <class Change>
  [[nodiscard]] expected<Derived>
  commit_by(replica_id by, Change change,
            observed_changes observed = {}) requires has_dots<Lattice> {
    if (!observed.are_all_in(lattice_.context))
      return not_seen_yet(by);
    return commit(change(std::as_const(lattice_.store),
                         mutation{lattice_.context, by, observed}));
  }

  Lattice lattice_;
};

/// A composition that needs no verbs of its own: its parts have them.
template <lattice Lattice>
class replicated : public state<replicated<Lattice>, Lattice> {
public:
  /// For a causal lattice: `change(store, how)` is a verb of the store.
  template <class Change>
  [[nodiscard]] expected<replicated>
  apply(replica_id by, Change change) requires has_dots<Lattice> {
    return this->commit_by(by, std::move(change));
  }

  /// For any other: `change(lattice)` answers what is to be joined.
  template <class Change>
  [[nodiscard]] expected<replicated> apply(Change change) {
    return this->commit(change(std::as_const(this->lattice_)));
  }

  [[nodiscard]] const Lattice& value() const noexcept {
    return this->lattice_;
  }
};

} // namespace neuroplex::crdt
