// Finishing or undoing what a dead thread was about to do.
//
// An operation writes its intent before it acts (engine.hpp). For a thread that
// died, by kind of intent:
//
//   insert   the slot still names the new block, which is not live: undone.
//   replace  the slot names the new block: finished. It names the old one:
//            undone. It names neither: survivors went on; whatever of the two
//            blocks is still in the state the intent names is garbage.
//   erase    the slot still names the old block: undone. Else finished.
// In each case the backup marks of the slot's group are set, whether the thread
// had come to that or not.
//
// "In the state the intent names" is decided by compare-and-swap on the block's
// word, version included, so survivor and recoverer cannot both free it. Each
// step may be repeated: who dies while recovering leaves it to the next.
//
// Whether the dead had counted what he did, nobody can tell: an addition leaves
// no trace. So recovery says that the counters are in doubt (recount.hpp).
//
// Threads: any, but one at a time for a dead slot; the caller sees to that.
#pragma once

#include "memory/backup_marks.hpp"
#include "memory/index.hpp"
#include "memory/pool.hpp"

namespace neuroplex::memory {

template <class Sync>
class basic_recovery {
public:
  using arena_type = basic_arena<Sync>;
  using context = basic_thread_context<Sync>;
  using state = layout::block_state;

  basic_recovery(const arena_type& arena, basic_pool<Sync>& pool,
                 basic_index<Sync>& index) noexcept
    : arena_{arena}, pool_{pool}, index_{index} {
  }

  /// Finishes or undoes what a dead thread was doing and takes back all that it
  /// held. Only one thread at a time may do this for a slot (the caller holds
  /// the dead process' lock); if that one dies too, the next repeats it.
  void run(context& self, unsigned dead_index) noexcept {
    auto& dead = arena_.thread(dead_index);
    auto owner = dead_index + 1;
    auto intent = dead.intent.load(std::memory_order_acquire);
    auto kind =
      static_cast<layout::intent_kind>(intent >> layout::intent_kind_shift);
    auto slot_id =
      intent & ((std::uint64_t{1} << layout::intent_kind_shift) - 1);
    // Said before anything of what shows it is taken away.
    auto& control = arena_.control();
    control.pages_in_doubt.fetch_add(1, std::memory_order_relaxed);
    if (kind != layout::intent_kind::none && kind != layout::intent_kind::pin)
      control.entries_in_doubt.fetch_add(1, std::memory_order_relaxed);
    if (auto sharing = dead.sharing.load(std::memory_order_acquire);
        sharing % 2 != 0) {
      control.contents_in_doubt.fetch_add(1, std::memory_order_relaxed);
      dead.sharing.store(sharing + 1, std::memory_order_release);
    }
    if (kind == layout::intent_kind::insert)
      undo_insert(dead, slot_id, owner);
    else if (kind == layout::intent_kind::replace
             || kind == layout::intent_kind::erase)
      finish_displacement(dead, slot_id, kind == layout::intent_kind::replace,
                          owner);
    // It may have died after the change and before the mark.
    if (kind == layout::intent_kind::insert
        || kind == layout::intent_kind::replace
        || kind == layout::intent_kind::erase) {
      auto place = index_.decode(slot_id);
      note_change_in_group(arena_, place.level, place.line);
    }
    adopt_list(self, dead, dead.retired_head, owner);
    auto* magazines = dead.magazines();
    for (unsigned i = 0; i < arena_.shape().classes.count(); ++i) {
      adopt_list(self, dead, magazines[i].head, owner);
      magazines[i].count.store(0, std::memory_order_relaxed);
    }
    adopt(self, dead.recovering.load(std::memory_order_acquire), owner);
    adopt(self, dead.pending.load(std::memory_order_acquire), owner);
    if (intent != 0) {
      adopt(self, dead.new_granule.load(std::memory_order_acquire), owner);
      adopt(self, dead.old_granule.load(std::memory_order_acquire), owner);
    }
    pool_.release_owner(owner);
    dead.intent.store(0, std::memory_order_release);
    dead.old_granule.store(0, std::memory_order_relaxed);
    dead.new_granule.store(0, std::memory_order_relaxed);
    dead.pending.store(0, std::memory_order_relaxed);
    dead.recovering.store(0, std::memory_order_relaxed);
    dead.retired_count.store(0, std::memory_order_relaxed);
    for (auto& pin : dead.pins)
      pin.store(0, std::memory_order_release);
    arena_.control().recoveries.fetch_add(1, std::memory_order_relaxed);
    pool_.tidy(self);
  }

private:
  static constexpr std::uint32_t max_list = 1U << 20;

  void undo_insert(layout::thread_slot<Sync>& dead, std::uint64_t slot_id,
                   unsigned owner) noexcept {
    auto granule = dead.new_granule.load(std::memory_order_acquire);
    auto* block = arena_.block(granule);
    if (block == nullptr)
      return;
    auto expected = dead.new_word.load(std::memory_order_acquire);
    auto word = expected;
    // Nobody may find it live any more; a rival may have marked it already.
    block->word.compare_exchange_strong(
      word, layout::next_word(word, state::collided, layout::owner_of(word)),
      std::memory_order_seq_cst);
    word = block->word.load(std::memory_order_acquire);
    if (layout::state_of(word) != state::collided
        || layout::owner_of(word) != owner)
      return; // it went live, or its owner had taken it back already
    index_.slot_at(slot_id).compare_exchange_strong(granule, layout::slot_empty,
                                                    std::memory_order_seq_cst);
  }

  void finish_displacement(layout::thread_slot<Sync>& dead,
                           std::uint64_t slot_id, bool replaces,
                           unsigned owner) noexcept {
    auto raw = index_.slot_at(slot_id).load(std::memory_order_seq_cst);
    auto in_slot = layout::holds_block(raw) ? layout::granule_of(raw) : 0;
    auto old_granule = dead.old_granule.load(std::memory_order_acquire);
    auto new_granule = dead.new_granule.load(std::memory_order_acquire);
    if (replaces && in_slot != new_granule)
      claim(new_granule, dead.new_word.load(std::memory_order_acquire), owner);
    if (in_slot != old_granule)
      claim(old_granule, dead.old_word.load(std::memory_order_acquire), owner);
  }

  /// A block that is garbage if its word is still `word`: retires it in the
  /// name of the dead thread, for `adopt` to find.
  void claim(std::uint32_t granule, std::uint64_t word,
             unsigned owner) noexcept {
    auto* block = arena_.block(granule);
    if (block == nullptr || layout::state_of(word) != state::live)
      return;
    block->word.compare_exchange_strong(
      word, layout::next_word(word, state::retired, owner),
      std::memory_order_seq_cst);
  }

  /// Takes a block over from a dead thread, if its word says that it is the
  /// dead thread's and not in use; answers whether.
  bool adopt(context& self, std::uint32_t granule, unsigned owner) noexcept {
    auto* block = arena_.block(granule);
    if (block == nullptr)
      return false;
    auto word = block->word.load(std::memory_order_acquire);
    auto in = layout::state_of(word);
    // A large block on its way in or out goes with its pages. A block that was
    // freed last of all may be in the middle of others' by now.
    if (layout::owner_of(word) != owner || in == state::free
        || in == state::live || !pool_.begins_block(granule))
      return false;
    self.slot->pending.store(granule, std::memory_order_release);
    auto taken = block->word.compare_exchange_strong(
      word, layout::next_word(word, state::retired, self.owner),
      std::memory_order_acq_rel);
    if (taken)
      pool_.retire(self, granule);
    self.slot->pending.store(0, std::memory_order_release);
    return taken;
  }

  /// Takes over all blocks of a dead thread's list, head by head. The block on
  /// its way is named in the dead slot's `recovering`, so that whoever repeats
  /// this after our own death finds it.
  void adopt_list(context& self, layout::thread_slot<Sync>& dead,
                  typename Sync::template atomic<std::uint32_t>& head,
                  unsigned owner) noexcept {
    list_walk walk;
    for (std::uint32_t steps = 0; steps < max_list; ++steps) {
      auto granule = head.load(std::memory_order_acquire);
      auto* block = arena_.block(granule);
      if (block == nullptr)
        break;
      auto next = block->link.load(std::memory_order_relaxed);
      adopt(self,
            dead.recovering.load(std::memory_order_acquire) == granule
              ? 0
              : dead.recovering.load(std::memory_order_relaxed),
            owner);
      dead.recovering.store(granule, std::memory_order_release);
      head.store(next, std::memory_order_release);
      // Whom we repeat may have taken the first block.
      if (!adopt(self, granule, owner) && walk.stranger()) {
        bump(self.slot->damage, 1U);
        break;
      }
    }
    head.store(0, std::memory_order_release);
  }

  const arena_type& arena_;
  basic_pool<Sync>& pool_;
  basic_index<Sync>& index_;
};

} // namespace neuroplex::memory
