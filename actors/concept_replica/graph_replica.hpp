// A graph of concepts that several nodes teach: what a lesson makes of the
// facts of a replica, and what the facts show.
//
// Purpose: a lesson becomes facts (layout.hpp), which the replica makes durable
// and tells its peers. Whatever changes there, by a lesson or by a peer, is
// handed to the write log of this node's memory as what holds now: learnt with
// all that is known, or forgotten. So it may be handed over twice, and the
// graph of every node is a function of the facts.
//
// An association is shown while both its ends are known. One whose end becomes
// known later, or again, is shown then.
//
// Ownership and threads: refers to the state of a replica and to a memory that
// outlive its use. `teach`, `changed` and `catch_up` belong to whoever has the
// replica; the figures may be asked by any thread.
//
// Invariants: once `catch_up` answered true and the log is applied, the graph
// shows the facts and nothing else.
//
// Failure behaviour: what a peer wrote and nobody can read is left out.
#pragma once

#include "actors/concept_replica/layout.hpp"
#include "actors/concept_replica/limits.hpp"
#include "actors/replica/service.hpp"
#include "storage/concept/concurrent_memory.hpp"

#include <atomic>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace neuroplex::concept_replica {

/// What became of a lesson.
struct taught {
  errc status = errc::ok; ///< why it was not taken further
  std::string problem{};
  std::uint32_t accepted = 0;    ///< entries, in order
  std::uint64_t last_change = 0; ///< shown when `shown` is as large
};

/// `value_size` for an entry that a replica cannot hold.
[[nodiscard]] errc check(const concepts::write_entry& entry) noexcept;

class graph_replica final : public replica::follower {
public:
  /// `room`: entries that may wait in the log of `memory`, which spills.
  graph_replica(const replica::shard_state& facts,
                concepts::concurrent_memory& memory, std::uint64_t room);

  /// Writes what the entries of a lesson mean, whose types are those of the
  /// memory. An entry that fits nothing (an association whose ends are not
  /// known, a vector of another length) is counted as refused, and has no
  /// effect. `busy`, `io`, `no_space`, `overflow`: the rest was not taken.
  [[nodiscard]] taught teach(replica::core& on, const replica::moment& now,
                             std::span<const concepts::write_entry> lesson);

  void changed(const std::string& key,
               const replica::shard_state::place& where) override;
  bool catch_up() override;
  [[nodiscard]] bool overloaded() const override {
    return changes_.size() > limits::max_unshown;
  }

  /// Number of the last change that was handed to the log.
  [[nodiscard]] std::uint64_t shown() const noexcept {
    return shown_.load(std::memory_order_acquire);
  }

  /// Changes that were not handed over yet.
  [[nodiscard]] std::uint64_t unshown() const noexcept {
    return unshown_.load(std::memory_order_relaxed);
  }

  /// Entries of lessons that fitted nothing.
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

private:
  using write_context = replica::write_context;

  // Of a concept, or one of its associations.
  struct change {
    concepts::concept_id id{};
    std::string association{}; ///< name of its field; empty: the concept
    friend bool operator==(const change&, const change&) = default;
  };

  struct id_hash {
    std::size_t operator()(const concepts::concept_id& id) const noexcept {
      return id.low;
    }
  };

  // What is known of a concept just now, with its strength.
  struct known_concept {
    learnt_concept learnt{};
    strength_share all{}; ///< shares of this life, joined
  };

  errc learn(const write_context& how, const concepts::write_entry& what);
  errc learn_concept(const write_context& how,
                     const concepts::write_entry& what);
  errc scale(const write_context& how, const concepts::write_entry& what);
  errc forget_concept(const write_context& how, const concepts::concept_id& id);
  errc learn_association(const write_context& how,
                         const concepts::write_entry& what);
  errc forget_association(const write_context& how,
                          const concepts::write_entry& what);
  static errc put_learnt(const write_context& how, const std::string& key,
                         const concepts::write_entry& facts);
  errc refuse() noexcept;

  [[nodiscard]] bool is_known(const concepts::concept_id& id) const;
  [[nodiscard]] std::optional<known_concept>
  find(const concepts::concept_id& id) const;
  [[nodiscard]] std::optional<std::uint32_t> dimensions() const;

  void note(change what);
  bool show(const change& what);
  bool show_concept(const concepts::concept_id& id);
  bool show_association(const concepts::concept_id& source,
                        const std::string& name);
  bool show_associations(const concepts::concept_id& source,
                         const std::string& prefix);
  void show_types();

  const replica::shard_state& facts_;
  concepts::concurrent_memory& memory_;
  std::uint64_t room_;
  std::deque<change> changes_;
  std::uint64_t noted_ = 0; ///< number of the last change
  bool types_changed_ = true;
  std::uint32_t dimensions_ = 0; ///< of the vectors that are shown
  std::unordered_set<concepts::concept_id, id_hash> known_; ///< to the graph
  /// Target and source of all associations that there are, or were lately.
  std::set<std::pair<concepts::concept_id, concepts::concept_id>> sources_;
  std::atomic<std::uint64_t> shown_{0};
  std::atomic<std::uint64_t> unshown_{0};
  std::atomic<std::uint64_t> refused_{0};
};

} // namespace neuroplex::concept_replica
