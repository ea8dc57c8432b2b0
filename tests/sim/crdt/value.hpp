// A replicated value of a type that only it knows, for the simulated world.
//
// Purpose: the world is written once, not once a type: a value and its
// synchronizer behind one interface, in which states and deltas are their
// encoded bytes. `subjects.cpp` has the types.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "crdt/delta_synchronizer.hpp"
#include "crdt/hybrid_clock.hpp"
#include "tests/sim/crdt/group.hpp"
#include "tests/sim/dice.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::sim {

/// Who changes something, and when.
struct crdt_writer {
  crdt::replica_id id;
  crdt::hybrid_timestamp stamp;
  dice& chance;
};

/// What replicas send each other.
struct crdt_packet {
  crdt::sync_kind kind = crdt::sync_kind::deltas;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::string> delta;
  std::optional<crdt::state_digest> digest;
};

/// A state, and who was told of its changes.
class crdt_value {
public:
  virtual ~crdt_value() = default;

  [[nodiscard]] virtual std::string encode() const = 0;
  [[nodiscard]] virtual expected<void> restore(const std::string& bytes) = 0;

  /// Of the same type.
  [[nodiscard]] virtual bool equals(const crdt_value& other) const = 0;

  /// A random change, recorded to be told; answers its delta.
  [[nodiscard]] virtual expected<std::string>
  change(const crdt_writer& who) = 0;
  [[nodiscard]] virtual expected<void> forget(const crdt_retirement& what) = 0;

  /// The latest in the state, where its type has timestamps.
  [[nodiscard]] virtual std::optional<crdt::hybrid_timestamp>
  timestamp() const = 0;

  /// A synchronizer without peers, which recorded so many deltas before.
  virtual void begin_synchronizing(std::uint64_t recorded) = 0;
  virtual void add_peer(crdt::replica_id peer) = 0;
  virtual void remove_peer(crdt::replica_id peer) = 0;
  [[nodiscard]] virtual std::optional<crdt_packet>
  message_for(crdt::replica_id peer) const = 0;
  [[nodiscard]] virtual crdt_packet ask() const = 0;
  [[nodiscard]] virtual expected<std::optional<crdt_packet>>
  receive(crdt::replica_id sender, const crdt_packet& packet) = 0;
  [[nodiscard]] virtual std::size_t buffered() const = 0;
  [[nodiscard]] virtual std::uint64_t recorded() const = 0;
};

/// What clients were told, and what states must therefore hold.
class crdt_ledger {
public:
  virtual ~crdt_ledger() = default;

  /// A change that may become known, acknowledged or not. False when it
  /// contradicts one that was made.
  [[nodiscard]] virtual bool make(const std::string& delta) = 0;
  virtual void acknowledge(const std::string& delta) = 0;

  /// `held` is the state of a member, which holds all that there is of who is
  /// forgotten.
  virtual void forgotten(const crdt_retirement& what,
                         const std::string& held) = 0;

  /// Empty when the state is what it must be.
  [[nodiscard]] virtual std::string judge(const std::string& state) const = 0;

  /// Whether what a state has is in the join of the others, too.
  [[nodiscard]] virtual bool
  is_covered(const std::string& state,
             const std::vector<std::string>& others) const = 0;

  /// Whether replicas of the type can be forgotten; and what a state holds of
  /// one that shall be.
  [[nodiscard]] virtual bool forgets_replicas() const = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t>
  held_of(const std::string& state, crdt::replica_id gone) const = 0;
};

/// A type whose states travel.
struct crdt_subject {
  std::string_view name;
  std::unique_ptr<crdt_value> (*make_value)();
  std::unique_ptr<crdt_ledger> (*make_ledger)();
};

[[nodiscard]] std::span<const crdt_subject> crdt_subjects();

} // namespace neuroplex::sim
