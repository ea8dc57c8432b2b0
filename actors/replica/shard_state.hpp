// All that a replica of one shard knows, by key and by dot.
//
// Purpose: an or_map of keys to registers, counters, add-wins sets and hashes
// (Almeida, Shoker, Baquero, "Delta state replicated data types", 2018, section
// 7), kept flat: `fact.hpp` says why. Joining a change costs what the change
// touches, whatever else is there.
//
// A write names the dots that it replaces, and puts new facts. What was written
// at the same time elsewhere stays beside it: two values of a register are
// both there until a later write has seen them.
//
// Threads: a plain value.
//
// Invariants:
//  1. Every live fact is in `keys` once and in the index of dots once, and its
//     dot is in the context.
//  2. `digest` is that of a `fact_delta` with the same facts.
//
// Failure behaviour: a delta that uses a dot for another fact is refused whole
// with `errc::conflict`.
#pragma once

#include "actors/replica/fact.hpp"

#include <array>
#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::replica {

/// Changes of this replica since the last time they were collected.
struct change_batch {
  crdt::causal_context context{}; ///< dots that were made or removed
  std::vector<crdt::dot> made{};  ///< in order

  [[nodiscard]] bool empty() const noexcept {
    return context.empty();
  }
};

class place_watcher;

class shard_state {
public:
  using delta_type = fact_delta;

  /// A live fact without its place.
  struct version {
    crdt::dot made_by{};
    std::string value{};
    std::int64_t number = 0;
    crdt::hybrid_timestamp written{};
  };

  /// Where a fact belongs under its key.
  struct place {
    fact_kind kind = fact_kind::text;
    std::string name{};

    friend auto operator<=>(const place&, const place&) = default;
  };

  struct entry {
    std::map<place, std::vector<version>> places{};
    std::array<std::size_t, fact_kind_count> counts{}; ///< places of each kind

    [[nodiscard]] std::size_t count(fact_kind kind) const noexcept {
      return counts[static_cast<std::size_t>(kind)];
    }

    /// The versions at a place; null when there are none.
    [[nodiscard]] const std::vector<version>*
    find(fact_kind kind, const std::string& name = {}) const;
  };

  using key_map = std::map<std::string, entry, std::less<>>;

  /// The entry of a key; null when there is none.
  [[nodiscard]] const entry* find(std::string_view key) const;

  [[nodiscard]] const key_map& keys() const noexcept {
    return keys_;
  }

  [[nodiscard]] std::size_t facts() const noexcept {
    return fact_count_;
  }

  /// Of all facts as they are encoded. A message that tells all has these, its
  /// context, and up to eight more for each gap between live dots.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return bytes_;
  }

  [[nodiscard]] const crdt::causal_context& context() const noexcept {
    return context_;
  }

  shard_state() = default;
  shard_state(shard_state&&) noexcept = default;
  shard_state& operator=(shard_state&&) noexcept = default;
  shard_state(const shard_state&) = delete; // the index points into the keys
  shard_state& operator=(const shard_state&) = delete;
  ~shard_state() = default;

  /// Who hears of each fact that comes or goes from now on; null for nobody.
  void watch(place_watcher* watcher) noexcept {
    watcher_ = watcher;
  }

  // -- changes of this replica ------------------------------------------------

  /// Puts a fact under a dot that is new.
  void put(const crdt::dot& made_by, fact what, change_batch& changes);

  /// Removes one fact, or what is seen at a place, of a kind, or at a key.
  void drop(const crdt::dot& made_by, change_batch& changes);
  void drop(std::string_view key, const place& where, change_batch& changes);
  void drop(std::string_view key, fact_kind kind, change_batch& changes);
  void drop(std::string_view key, change_batch& changes);

  /// Removes all that is seen.
  void drop_all(change_batch& changes);

  /// The changes as a delta, without facts that were replaced meanwhile.
  [[nodiscard]] fact_delta collect(const change_batch& changes) const;

  // -- between replicas -------------------------------------------------------

  /// Joins a delta. `conflict`.
  [[nodiscard]] expected<void> merge(const fact_delta& delta);

  [[nodiscard]] expected<void> check(const fact_delta& delta) const;

  [[nodiscard]] crdt::state_digest digest() const;

  /// What a replica with the digest `theirs` lacks; nothing when that is
  /// nothing.
  [[nodiscard]] std::optional<fact_delta>
  difference(const crdt::state_digest& theirs) const;

  /// The same, cut off after about `max_bytes`, and whether that is all of it:
  /// facts that it has not seen, and what was removed here of the ranges that
  /// differ. What was removed there it tells itself.
  [[nodiscard]] std::pair<fact_delta, bool>
  difference(const crdt::state_digest& theirs, std::size_t max_bytes) const;

  /// All facts in what differs, cut off in the same way.
  [[nodiscard]] fact_delta differing(const crdt::state_digest& theirs,
                                     std::size_t max_bytes) const;

  /// All of it.
  [[nodiscard]] fact_delta whole() const;

private:
  using place_map = std::map<place, std::vector<version>>;

  struct location {
    key_map::iterator key;
    place_map::iterator where;
    std::uint64_t fingerprint = 0;
  };

  using dot_map = std::map<std::uint64_t, location>; // by counter

  struct range_sum {
    std::uint64_t hash = 0;
    std::uint64_t facts = 0;
  };

  void insert(const crdt::dot& made_by, fact what);
  dot_map::iterator erase(crdt::replica_id replica, dot_map& dots,
                          dot_map::iterator which);
  void erase(const crdt::dot& made_by);
  [[nodiscard]] static fact fact_at(const crdt::dot& made_by,
                                    const location& at);
  [[nodiscard]] const location* find(const crdt::dot& made_by) const;
  [[nodiscard]] std::vector<crdt::range_hash> ranges() const;
  [[nodiscard]] crdt::causal_context
  removed_of(const crdt::causal_context& dots) const;
  [[nodiscard]] std::pair<fact_delta, bool>
  restricted_to(const crdt::causal_context& dots, std::size_t max_bytes) const;

  key_map keys_;
  std::map<crdt::replica_id, dot_map> dots_; ///< of live facts
  std::map<std::pair<crdt::replica_id, std::uint64_t>, range_sum> sums_;
  crdt::causal_context context_;
  std::size_t fact_count_ = 0;
  std::uint64_t bytes_ = 0;
  place_watcher* watcher_ = nullptr;
};

/// Hears of changes of a state, those of this replica and those that it was
/// told.
class place_watcher {
public:
  virtual ~place_watcher() = default;

  /// A fact has come to this place, or is about to go. What the place shows
  /// may be asked when the change is over, not here.
  virtual void changed(const std::string& key,
                       const shard_state::place& where) = 0;
};

} // namespace neuroplex::replica
