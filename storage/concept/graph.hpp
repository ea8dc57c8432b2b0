// The newest version of the graph, while it is being made.
//
// Purpose: applies entries one by one, and hands out a version that readers may
// have whenever it is asked to. What an entry changes is copied on its first
// change in a version; all else is shared with the versions before.
//
// Ownership and threads: one thread (the reconciler). Versions stay readable as
// long as `give_back` was not called with what they hold, and the graph lives.
//
// Invariants:
//  1. An association is in the list of its source and in that of its target, or
//     in neither.
//  2. A concept that is forgotten takes all associations with it.
//
// Failure behaviour: an entry that cannot be applied changes nothing, and says
// why: `not_found` (a concept at one of its ends is unknown), `wrong_type` (a
// vector of another length than those before), `too_many` (a limit).
#pragma once

#include "storage/concept/graph_version.hpp"
#include "storage/concept/write_entry.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

namespace neuroplex::concepts {

class graph {
public:
  /// `seed`: chance for the index; take it from the system. `source`: where its
  /// memory is from, if not from the system; must outlive the graph.
  explicit graph(std::uint64_t seed, block_source* source = nullptr);

  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;

  /// Applies one entry. `now_us` is what the concept's times become.
  errc apply(const write_entry& entry, std::int64_t now_us);

  /// The same for many. Groups of them go through passes one behind the other,
  /// so that what one needs is on its way while others are applied. Calls
  /// `refused` with each that changed nothing.
  template <class Refused>
  void apply(std::span<const write_entry> batch, std::int64_t now_us,
             Refused&& refused) {
    std::array<entry_group, group_passes> groups;
    const auto group_count = (batch.size() + group_entries - 1) / group_entries;
    for (std::size_t step = 0; step < group_count + group_passes - 1; ++step) {
      // The pass of the group that is `pass` steps behind the first.
      auto at_pass = [&](std::size_t pass) -> entry_group* {
        return pass <= step && step - pass < group_count
                 ? &groups[(step - pass) % group_passes]
                 : nullptr;
      };
      if (auto* group = at_pass(0)) {
        auto rest = batch.subspan(step * group_entries);
        group->entries = rest.first(std::min(rest.size(), group_entries));
        begin_look_up(*group);
      }
      if (const auto* group = at_pass(1))
        prefetch_records(*group);
      if (auto* group = at_pass(2))
        end_look_up(*group);
      auto* group = at_pass(3);
      if (group == nullptr)
        continue;
      for (std::size_t i = 0; i < group->entries.size(); ++i) {
        const auto& entry = group->entries[i];
        // Who came or went since may be at one of its ends.
        if (index_changes_ != group->index_changes)
          group->ends[i] = find_ends(entry);
        if (auto result = apply(entry, group->ends[i], now_us);
            result != errc::ok)
          refused(entry, result);
      }
    }
  }

  /// What was made so far, not yet to be shown to others.
  [[nodiscard]] const graph_version& working() const noexcept {
    return working_;
  }

  /// Ends the version: answers it, and sets `left` to what it does not hold any
  /// more but older ones do.
  graph_version publish(std::uint64_t sequence, std::int64_t timestamp_us,
                        std::vector<retired_block>& left);

  /// Puts a concept back as a file has it. A concept of this id must not exist.
  errc restore(const write_entry& entry, std::int64_t created_us,
               std::int64_t changed_us);

  /// What changed, in the newest version, since the last call or the beginning:
  /// concepts whose record or associations changed, and ids that were forgotten
  /// and are not known any more.
  struct changes {
    std::vector<concept_slot> slots;
    std::vector<concept_id> forgotten;
  };
  [[nodiscard]] changes take_changes();

  /// How many concepts changed.
  [[nodiscard]] std::size_t changed_count() const noexcept {
    return changed_.size() + forgotten_.size();
  }

  /// Takes back blocks that no version in use holds.
  void give_back(const retired_block& block) noexcept {
    arena_.give(block.block, block.bytes);
  }

  [[nodiscard]] const block_arena& memory() const noexcept {
    return arena_;
  }

private:
  /// Entries whose concepts are looked up together: what all groups on their
  /// way need fits the first caches.
  static constexpr std::size_t group_entries = 8;

  /// Look for a line of the index, for records, for lists; apply.
  static constexpr std::size_t group_passes = 4;

  /// The concepts that an entry is about.
  struct entry_ends {
    std::optional<concept_slot> source;
    std::optional<concept_slot> target; ///< of an association
  };

  /// Entries on their way.
  struct entry_group {
    std::span<const write_entry> entries;
    std::array<entry_ends, group_entries> ends;
    std::array<std::uint32_t, 2 * group_entries> hashes; ///< of both ends
    std::uint64_t index_changes = 0; ///< when `ends` was found
  };

  errc apply(const write_entry& entry, const entry_ends& ends,
             std::int64_t now_us);
  [[nodiscard]] entry_ends find_ends(const write_entry& entry) const noexcept;
  void begin_look_up(entry_group& group) const noexcept;
  void prefetch_records(const entry_group& group) const noexcept;
  void end_look_up(entry_group& group) const noexcept;
  errc learn_concept(const write_entry& entry, std::int64_t now_us);
  errc learn_association(const write_entry& entry, const entry_ends& ends);
  errc scale(const write_entry& entry, const entry_ends& ends,
             std::int64_t now_us);
  errc forget_concept(const write_entry& entry);
  errc forget_association(const write_entry& entry, const entry_ends& ends);
  concept_record& change(concept_slot slot);
  void note_vector(concept_slot slot);
  concept_body* new_body(const write_entry& entry, std::int64_t created_us);
  concept_slot take_slot();
  void add_to_index(std::uint32_t hash, concept_slot slot);
  void put_in_bucket(std::uint32_t bucket, std::uint64_t entry);
  void split_bucket();
  void remove_from_index(std::uint32_t hash, concept_slot slot);
  std::uint32_t take_overflow();
  void free_overflow(std::uint32_t place);

  block_arena arena_;
  edit_session session_;
  graph_version working_;
  std::uint64_t index_changes_ = 0; ///< concepts that came or went
  std::vector<concept_slot> changed_;
  std::vector<bool> is_changed_; ///< by slot
  std::vector<concept_id> forgotten_;
  std::uint32_t free_slot_ = 0;     ///< plus one; 0: none
  std::uint32_t free_overflow_ = 0; ///< plus one; 0: none
};

} // namespace neuroplex::concepts
