// The pool: blocks of memory for entries, shared by all processes.
//
// Purpose: allocate and free in a few nanoseconds from the calling thread's own
// magazine, refill it in batches from spans, and never lose or give out a block
// twice, even when a process dies between any two instructions.
//
// How. Authority over a block is its word (state, owner, version): a block is
// allocatable only in state free, and whoever changes the word by
// compare-and-swap owns it. Everything else is a hint that may lag: the bit in
// its span's bitmap, the counts, the lists. A block on its way from one place
// to the next is named in the thread's `pending` first, so a survivor finds it.
// Only the owner of a span claims blocks from it; anyone may free into it.
//
// Reuse. A displaced block is retired, not freed: it goes on when no thread's
// intent and no view pins it (hazard pointers; Michael, "Hazard Pointers: Safe
// Memory Reclamation for Lock-Free Objects", IEEE TPDS 2004). A stopped process
// thus keeps back the few blocks it pins and nothing more.
//
// Threads: a `thread_context` is used by one thread; the pool itself by all.
//
// Invariants:
//  1. A block is in at most one of: a slot, a magazine, a retired list, `free`.
//  2. word == free is stored after the bitmap bit and the counts.
//  3. Walks over lists from the segment are bounded, and a list that turns out
//     to be scribbled over is given up (list_walk.hpp).
#pragma once

#include "memory/list_walk.hpp"
#include "memory/pin_filter.hpp"
#include "memory/span_bits.hpp"
#include "memory/thread_context.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace neuroplex::memory {

template <class Sync>
class basic_pool {
public:
  using arena_type = basic_arena<Sync>;
  using context = basic_thread_context<Sync>;
  using block_type = typename arena_type::block_type;
  using state = layout::block_state;

  explicit basic_pool(const arena_type& arena) noexcept
    : arena_{arena}, bits_{arena} {
    for (unsigned i = 0; i < arena.shape().classes.count(); ++i)
      capacities_[i] = capacity_of(i);
  }

  /// A block of at least `bytes`, held by the thread and named in its
  /// `pending`; 0 when there is none. Its content is whatever was there.
  [[nodiscard]] std::uint32_t allocate(context& self,
                                       std::uint64_t bytes) noexcept {
    const auto& classes = arena_.shape().classes;
    if (bytes > classes.largest())
      return allocate_large(self, bytes);
    auto size_class = classes.class_of(bytes);
    auto& magazine = self.slot->magazines()[size_class];
    list_walk walk;
    for (unsigned attempt = 0; attempt < max_attempts; ++attempt) {
      auto granule = magazine.head.load(std::memory_order_relaxed);
      if (granule == 0) {
        if (!refill(self, size_class))
          return 0;
        continue;
      }
      auto* block = arena_.block(granule);
      if (block == nullptr) {
        give_up(self, magazine);
        continue;
      }
      self.slot->pending.store(granule, std::memory_order_release);
      magazine.head.store(block->link.load(std::memory_order_relaxed),
                          std::memory_order_release);
      magazine.count.store(magazine.count.load(std::memory_order_relaxed) - 1,
                           std::memory_order_relaxed);
      auto word = block->word.load(std::memory_order_relaxed);
      if (layout::state_of(word) == state::held
          && layout::owner_of(word) == self.owner
          && arena_.room_after(block) >= classes.bytes_of(size_class))
        return granule;
      if (walk.stranger())
        give_up(self, magazine);
    }
    return 0;
  }

  /// Pool memory of a block that holds `bytes`.
  [[nodiscard]] std::uint64_t block_bytes(std::uint64_t bytes) const noexcept {
    const auto& shape = arena_.shape();
    if (bytes <= shape.classes.largest())
      return shape.classes.bytes_of(shape.classes.class_of(bytes));
    return large_pages(bytes) * shape.page_bytes;
  }

  /// Takes back a block that was allocated but never published.
  void give_back(context& self, std::uint32_t granule) noexcept {
    push(self, granule);
    self.slot->pending.store(0, std::memory_order_release);
  }

  /// Puts a displaced block, in state retired and ours, on the retired list.
  void retire(context& self, std::uint32_t granule) noexcept {
    auto& slot = *self.slot;
    auto* block = arena_.block(granule);
    if (block == nullptr)
      return;
    // Release: who sees this link sees that the block is displaced
    // (content_counts.hpp).
    block->link.store(slot.retired_head.load(std::memory_order_relaxed),
                      std::memory_order_release);
    slot.retired_head.store(granule, std::memory_order_release);
    slot.retired_count.store(slot.retired_count.load(std::memory_order_relaxed)
                               + 1,
                             std::memory_order_relaxed);
  }

  /// Reuses retired blocks when enough have gathered. The thread must hold
  /// neither an intent nor a block in transit. Answers whether it did.
  bool tidy(context& self) noexcept {
    if (self.slot->retired_count.load(std::memory_order_relaxed) < retired_batch
        && self.retired_bytes < retired_pages * arena_.shape().page_bytes)
      return false;
    reuse_retired(self);
    return true;
  }

  /// Moves every retired block that nobody pins to where it can be used again.
  void reuse_retired(context& self) noexcept {
    auto& slot = *self.slot;
    basic_pin_filter<Sync> pinned{arena_};
    layout::block_header<Sync>* previous = nullptr;
    auto granule = slot.retired_head.load(std::memory_order_relaxed);
    std::uint32_t kept = 0;
    list_walk walk;
    auto give_up_rest = [&] {
      auto& link = previous == nullptr ? slot.retired_head : previous->link;
      link.store(0, std::memory_order_release);
      bump(slot.damage, 1U);
    };
    for (std::uint32_t steps = 0; granule != 0 && steps < max_list; ++steps) {
      auto* block = arena_.block(granule);
      if (block == nullptr || walk.came_by(granule)) {
        give_up_rest();
        break;
      }
      auto next = block->link.load(std::memory_order_relaxed);
      auto word = block->word.load(std::memory_order_relaxed);
      if (pinned.contains(granule)) {
        previous = block;
        ++kept;
      } else {
        slot.pending.store(granule, std::memory_order_release);
        if (previous == nullptr)
          slot.retired_head.store(next, std::memory_order_release);
        else
          previous->link.store(next, std::memory_order_release);
        // While we live, nobody else changes a retired block of ours.
        bool ours = layout::state_of(word) == state::retired
                    && layout::owner_of(word) == self.owner;
        if (ours) {
          block->word.store(layout::next_word(word, state::held, self.owner),
                            std::memory_order_release);
          push(self, granule);
        }
        slot.pending.store(0, std::memory_order_release);
        if (!ours && walk.stranger()) {
          give_up_rest();
          break;
        }
      }
      granule = next;
    }
    slot.retired_count.store(kept, std::memory_order_relaxed);
    self.retired_bytes = 0; // those kept count again with the next ones
    auto asked = arena_.control().asked_for.load(std::memory_order_relaxed);
    if (asked != self.asked_for) [[unlikely]]
      give_asked_for(self, asked);
  }

  /// Gives everything the thread has kept ready back to the spans. False when
  /// some blocks are pinned by others and remain on the retired list.
  bool flush(context& self) noexcept {
    reuse_retired(self);
    for (unsigned i = 0; i < arena_.shape().classes.count(); ++i)
      drain(self, i, 0);
    release_spans(self);
    return self.slot->retired_head.load(std::memory_order_relaxed) == 0;
  }

  /// Frees a block in state held or retired, owned by `owner`: bit, counts,
  /// then the word. Works for any owner whose process is dead, too.
  void free_block(std::uint32_t granule, unsigned owner) noexcept {
    auto* block = arena_.block(granule);
    if (block == nullptr)
      return;
    auto word = block->word.load(std::memory_order_acquire);
    auto in = layout::state_of(word);
    if (layout::owner_of(word) != owner || in == state::free
        || in == state::live)
      return;
    auto first = first_page(arena_.page_of(granule));
    if (first == no_page)
      return;
    auto info = arena_.page(first).info.load(std::memory_order_acquire);
    if (layout::page_state_of(info) == layout::page_state::large) {
      auto length = layout::page_length_of(info);
      arena_.page(first).info.store(
        layout::make_page_info(layout::page_state::claimed, 0, owner, length),
        std::memory_order_release);
      block->word.store(layout::next_word(word, state::free, 0),
                        std::memory_order_release);
      release_pages(first, length, owner);
      return;
    }
    auto size_class = layout::page_class_of(info);
    auto number = block_number(first, size_class, granule);
    if (number == ~0U)
      return;
    bits_.set_bit(first, size_class, number);
    arena_.page(first).free_blocks.fetch_add(1, std::memory_order_relaxed);
    arena_.control().classes[size_class].free_blocks.fetch_add(
      1, std::memory_order_relaxed);
    block->word.store(layout::next_word(word, state::free, 0),
                      std::memory_order_release);
  }

  /// Calls `visit(granule)` for each block of the span or large block that
  /// begins at `page`, in use or not; answers how many pages it has, at least
  /// one.
  template <class Visit>
  std::uint32_t visit_blocks(std::uint32_t page, Visit&& visit) const {
    const auto& classes = arena_.shape().classes;
    auto info = arena_.page(page).info.load(std::memory_order_acquire);
    auto size_class = layout::page_class_of(info);
    switch (layout::page_state_of(info)) {
      case layout::page_state::span:
        if (size_class >= classes.count())
          return 1;
        for (std::uint32_t n = 0; n < classes.blocks_of(size_class); ++n)
          visit(granule_of(page, size_class, n));
        break;
      case layout::page_state::large:
        visit(large_granule(page));
        break;
      default:
        return 1;
    }
    return std::max(layout::page_length_of(info), 1U);
  }

  /// Pages that a block of `bytes` takes for itself; 0 if it shares a span.
  [[nodiscard]] std::uint32_t pages_alone(std::uint64_t bytes) const noexcept {
    return bytes > arena_.shape().classes.largest()
             ? static_cast<std::uint32_t>(large_pages(bytes))
             : 0;
  }

  /// Whether a block begins at `granule`, by its page's record. If not, the
  /// page is free or on its way in or out of use, or the granule lies within
  /// another block: what stands there is no word.
  [[nodiscard]] bool begins_block(std::uint32_t granule) const noexcept {
    auto first = first_page(arena_.page_of(granule));
    if (first == no_page)
      return false;
    auto info = arena_.page(first).info.load(std::memory_order_acquire);
    return layout::page_state_of(info) == layout::page_state::large
             ? granule == large_granule(first)
             : block_number(first, layout::page_class_of(info), granule) != ~0U;
  }

  /// Gives up the spans a dead thread owned, with the blocks it held in them.
  /// Bounded by the directory.
  void release_owner(unsigned owner) noexcept {
    const auto& shape = arena_.shape();
    auto pages = arena_.committed_pages();
    for (std::uint32_t i = 0; i < pages; ++i) {
      auto info = arena_.page(i).info.load(std::memory_order_acquire);
      if (layout::page_owner_of(info) != owner)
        continue;
      auto size_class = layout::page_class_of(info);
      auto length = layout::page_length_of(info);
      switch (layout::page_state_of(info)) {
        case layout::page_state::claimed:
          release_pages(i, length, owner);
          break;
        case layout::page_state::span: {
          auto count = size_class < shape.classes.count()
                         ? shape.classes.blocks_of(size_class)
                         : 0;
          for (std::uint32_t n = 0; n < count; ++n)
            release_found(granule_of(i, size_class, n), owner);
          arena_.page(i).info.store(
            layout::make_page_info(layout::page_state::span, size_class, 0,
                                   length),
            std::memory_order_release);
          break;
        }
        default:
          break;
      }
    }
  }

  /// Asks all threads for the blocks of a class that they keep ready, and for
  /// their span of it. They comply the next time they reuse blocks.
  void ask_for(unsigned size_class) noexcept {
    auto& asked = arena_.control().asked_for;
    auto count = asked.load(std::memory_order_relaxed) / layout::max_classes;
    asked.store((count + 1) * layout::max_classes + size_class,
                std::memory_order_relaxed);
  }

  /// Turns spans without a block in use into free pages; answers whether any.
  bool scavenge(context& self) noexcept {
    release_spans(self);
    const auto& classes = arena_.shape().classes;
    auto pages = arena_.committed_pages();
    bool found = false;
    for (std::uint32_t i = 0; i < pages; ++i) {
      auto& page = arena_.page(i);
      auto info = page.info.load(std::memory_order_acquire);
      auto size_class = layout::page_class_of(info);
      if (layout::page_state_of(info) != layout::page_state::span
          || layout::page_owner_of(info) != 0 || size_class >= classes.count()
          || page.free_blocks.load(std::memory_order_relaxed)
               < classes.blocks_of(size_class))
        continue;
      auto length = layout::page_length_of(info);
      auto mine = layout::make_page_info(layout::page_state::span, size_class,
                                         self.owner, length);
      if (!page.info.compare_exchange_strong(info, mine,
                                             std::memory_order_acq_rel))
        continue;
      if (all_free(i, size_class)) {
        release_empty_span(self, i, size_class, length);
        found = true;
      } else {
        page.info.store(info, std::memory_order_release);
      }
    }
    return found;
  }

private:
  template <class>
  friend class basic_evacuator;
  template <class>
  friend class basic_compactor;
  template <class>
  friend class basic_window;

  static constexpr unsigned max_attempts = 64;
  static constexpr std::uint32_t max_list = 1U << 20;
  static constexpr std::uint32_t retired_batch = 32;
  static constexpr std::uint64_t retired_pages = 8;

  [[nodiscard]] std::uint32_t large_granule(std::uint32_t page) const noexcept {
    return arena_.granule(arena_.page_address(page)
                          + arena_.shape().granule_bytes);
  }

  [[nodiscard]] std::uint32_t granule_of(std::uint32_t page,
                                         unsigned size_class,
                                         std::uint32_t number) const noexcept {
    const auto& classes = arena_.shape().classes;
    return arena_.granule(arena_.page_address(page)
                          + classes.first_block_of(size_class)
                          + number * classes.bytes_of(size_class));
  }

  [[nodiscard]] std::uint32_t
  block_number(std::uint32_t first, unsigned size_class,
               std::uint32_t granule) const noexcept {
    const auto& shape = arena_.shape();
    if (size_class >= shape.classes.count())
      return ~0U;
    auto offset = (std::uint64_t{granule} << shape.granule_shift)
                  - shape.pool_offset
                  - (std::uint64_t{first} << shape.page_shift);
    return shape.classes.block_number(size_class, offset);
  }

  /// First page of the span that `page` belongs to, or no_page.
  [[nodiscard]] std::uint32_t first_page(std::uint32_t page) const noexcept {
    auto info = arena_.page(page).info.load(std::memory_order_acquire);
    if (layout::page_state_of(info) == layout::page_state::tail) {
      auto distance = layout::page_length_of(info);
      if (distance > page)
        return no_page;
      page -= distance;
      info = arena_.page(page).info.load(std::memory_order_acquire);
    }
    auto kind = layout::page_state_of(info);
    return kind == layout::page_state::span || kind == layout::page_state::large
             ? page
             : no_page;
  }

  /// Blocks a magazine keeps at most: by count, and by bytes for large ones.
  [[nodiscard]] std::uint32_t capacity_of(unsigned size_class) const noexcept {
    constexpr std::uint64_t most_bytes = 64U << 10;
    constexpr std::uint64_t least_count = 2;
    constexpr std::uint64_t most_count = 4U * retired_batch;
    const auto& shape = arena_.shape();
    auto bytes =
      std::min(most_bytes, shape.initial_pages * shape.page_bytes >> 12);
    return static_cast<std::uint32_t>(std::clamp(
      bytes / shape.classes.bytes_of(size_class), least_count, most_count));
  }

  /// Puts a held block into the thread's magazine, or frees a large one.
  void push(context& self, std::uint32_t granule) noexcept {
    auto* block = arena_.block(granule);
    auto first = first_page(arena_.page_of(granule));
    if (block == nullptr || first == no_page)
      return;
    auto info = arena_.page(first).info.load(std::memory_order_relaxed);
    auto size_class = layout::page_class_of(info);
    if (layout::page_state_of(info) == layout::page_state::large
        || size_class >= arena_.shape().classes.count()
        || (info & layout::page_emptying) != 0) {
      free_block(granule, self.owner);
      return;
    }
    auto& magazine = self.slot->magazines()[size_class];
    block->link.store(magazine.head.load(std::memory_order_relaxed),
                      std::memory_order_relaxed);
    magazine.head.store(granule, std::memory_order_release);
    auto count = magazine.count.load(std::memory_order_relaxed) + 1;
    magazine.count.store(count, std::memory_order_relaxed);
    auto most = capacities_[size_class];
    if (count > most)
      drain(self, size_class, most / 2);
  }

  /// Frees blocks of a magazine until `keep` are left.
  void drain(context& self, unsigned size_class, std::uint32_t keep) noexcept {
    auto& slot = *self.slot;
    auto& magazine = slot.magazines()[size_class];
    auto count = magazine.count.load(std::memory_order_relaxed);
    auto granule = magazine.head.load(std::memory_order_relaxed);
    auto outer = slot.pending.load(std::memory_order_relaxed);
    list_walk walk;
    for (std::uint32_t steps = 0;
         granule != 0 && steps < max_list && (keep == 0 || count > keep);
         ++steps) {
      auto* block = arena_.block(granule);
      if (block == nullptr)
        break;
      auto next = block->link.load(std::memory_order_relaxed);
      auto word = block->word.load(std::memory_order_relaxed);
      slot.pending.store(granule, std::memory_order_release);
      magazine.head.store(next, std::memory_order_release);
      if (layout::state_of(word) == state::held
          && layout::owner_of(word) == self.owner) {
        free_block(granule, self.owner);
      } else if (walk.stranger()) {
        give_up(self, magazine);
        next = 0;
      }
      granule = next;
      count -= count > 0 ? 1U : 0U;
    }
    magazine.count.store(granule == 0 ? 0 : count, std::memory_order_relaxed);
    slot.pending.store(outer, std::memory_order_release);
  }

  /// Of a magazine that was scribbled over: what hangs there is lost.
  static void give_up(context& self,
                      layout::magazine<Sync>& magazine) noexcept {
    magazine.head.store(0, std::memory_order_relaxed);
    magazine.count.store(0, std::memory_order_relaxed);
    bump(self.slot->damage, 1U);
  }

  bool refill(context& self, unsigned size_class) noexcept {
    const auto& classes = arena_.shape().classes;
    arena_.control().eviction_clock.fetch_add(1, std::memory_order_relaxed);
    self.refilled = true;
    auto batch = std::max(1U, capacities_[size_class] / 2);
    for (unsigned attempt = 0; attempt < max_attempts; ++attempt) {
      if (self.span[size_class] != 0) {
        auto page = self.span[size_class] - 1;
        if (take_from_span(self, page, size_class, batch))
          return true;
        release_span(self, size_class);
      }
      auto spare = arena_.control().classes[size_class].free_blocks.load(
        std::memory_order_relaxed);
      // A fresh span while there are few free blocks scattered about: looking
      // for them costs more than a page.
      if (spare >= classes.blocks_of(size_class) / 2 + batch
          && adopt_span(self, size_class))
        continue;
      if (carve_span(self, size_class))
        continue;
      if (adopt_span(self, size_class))
        continue;
      return false;
    }
    return false;
  }

  bool take_from_span(context& self, std::uint32_t page, unsigned size_class,
                      std::uint32_t batch) noexcept {
    auto count = arena_.shape().classes.blocks_of(size_class);
    auto& slot = *self.slot;
    auto& magazine = slot.magazines()[size_class];
    std::uint32_t taken = 0;
    for (std::uint32_t w = 0; w * 64 < count && taken < batch; ++w) {
      auto bits = bits_.load_bits(page, size_class, w);
      while (bits != 0 && taken < batch) {
        auto bit = static_cast<unsigned>(std::countr_zero(bits));
        bits &= bits - 1;
        auto number = w * 64 + bit;
        if (number >= count)
          break;
        auto granule = granule_of(page, size_class, number);
        auto* block = arena_.block(granule);
        if (block == nullptr)
          break;
        auto word = block->word.load(std::memory_order_acquire);
        if (layout::state_of(word) != state::free)
          continue; // on its way here; its word will say so
        slot.pending.store(granule, std::memory_order_release);
        if (!block->word.compare_exchange_strong(
              word, layout::next_word(word, state::held, self.owner),
              std::memory_order_acq_rel))
          continue;
        bits_.clear_bit(page, size_class, number);
        block->link.store(magazine.head.load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
        magazine.head.store(granule, std::memory_order_release);
        ++taken;
      }
    }
    slot.pending.store(0, std::memory_order_release);
    if (taken == 0)
      return false;
    magazine.count.store(magazine.count.load(std::memory_order_relaxed) + taken,
                         std::memory_order_relaxed);
    subtract(arena_.page(page).free_blocks, taken);
    subtract(arena_.control().classes[size_class].free_blocks, taken);
    return true;
  }

  // Hints never wrap below zero.
  template <class Atomic>
  static void subtract(Atomic& hint, std::uint32_t by) noexcept {
    auto value = hint.load(std::memory_order_relaxed);
    while (!hint.compare_exchange_weak(value, value > by ? value - by : 0,
                                       std::memory_order_relaxed))
      ;
  }

  bool adopt_span(context& self, unsigned size_class) noexcept {
    auto pages = arena_.committed_pages();
    auto& control = arena_.control().classes[size_class];
    // The count is never below what is there, only above.
    if (control.free_blocks.load(std::memory_order_relaxed) == 0)
      return false;
    auto begin = control.cursor.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < pages; ++i) {
      auto index = (begin + i) % pages;
      auto& page = arena_.page(index);
      auto info = page.info.load(std::memory_order_acquire);
      if (layout::page_state_of(info) != layout::page_state::span
          || layout::page_class_of(info) != size_class
          || layout::page_owner_of(info) != 0
          || page.free_blocks.load(std::memory_order_relaxed) == 0)
        continue;
      auto mine =
        layout::make_page_info(layout::page_state::span, size_class, self.owner,
                               layout::page_length_of(info));
      if (page.info.compare_exchange_strong(info, mine,
                                            std::memory_order_acq_rel)) {
        self.span[size_class] = index + 1;
        control.cursor.store(index + 1, std::memory_order_relaxed);
        return true;
      }
    }
    return false;
  }

  bool carve_span(context& self, unsigned size_class) noexcept {
    const auto& classes = arena_.shape().classes;
    auto length = classes.pages_of(size_class);
    auto first = claim_pages(self, length);
    if (first == no_page)
      return false;
    auto& control = arena_.control();
    auto epoch = control.carve_epoch.fetch_add(1, std::memory_order_relaxed);
    // Versions of a new span begin above all that its pages may have had.
    constexpr unsigned epoch_shift = 16 + 24;
    auto word = epoch << epoch_shift;
    auto count = classes.blocks_of(size_class);
    for (std::uint32_t n = 0; n < count; ++n)
      arena_.block(granule_of(first, size_class, n))
        ->word.store(word, std::memory_order_relaxed);
    bits_.set_all_bits(first, size_class);
    arena_.page(first).free_blocks.store(count, std::memory_order_relaxed);
    control.classes[size_class].free_blocks.fetch_add(
      count, std::memory_order_relaxed);
    arena_.page(first).info.store(
      layout::make_page_info(layout::page_state::span, size_class, self.owner,
                             length),
      std::memory_order_release);
    self.span[size_class] = first + 1;
    return true;
  }

  [[nodiscard]] std::uint64_t large_pages(std::uint64_t bytes) const noexcept {
    const auto& shape = arena_.shape();
    return (bytes + shape.granule_bytes + shape.page_bytes - 1)
           >> shape.page_shift;
  }

  std::uint32_t allocate_large(context& self, std::uint64_t bytes) noexcept {
    auto length = static_cast<std::uint32_t>(large_pages(bytes));
    auto first = claim_pages(self, length);
    if (first == no_page)
      return 0;
    auto granule = large_granule(first);
    auto epoch =
      arena_.control().carve_epoch.fetch_add(1, std::memory_order_relaxed);
    self.slot->pending.store(granule, std::memory_order_release);
    arena_.block(granule)->word.store(
      layout::next_word(epoch << 40, state::held, self.owner),
      std::memory_order_release);
    // While the block is held, the word says whose it is; the page need not.
    arena_.page(first).info.store(
      layout::make_page_info(layout::page_state::large, 0, 0, length),
      std::memory_order_release);
    return granule;
  }

  /// Claims `length` free pages in a row: the first names owner and length.
  std::uint32_t claim_pages(context& self, std::uint32_t length) noexcept {
    auto& control = arena_.control();
    auto pages = arena_.committed_pages();
    auto used = control.used_pages.load(std::memory_order_relaxed);
    if (length > pages || used > pages - length)
      return no_page;
    auto begin = control.page_cursor.load(std::memory_order_relaxed) % pages;
    std::uint32_t run = 0;
    // A little more than once around: runs may begin before the cursor.
    for (std::uint64_t i = 0; i < std::uint64_t{pages} + length; ++i) {
      auto index = static_cast<std::uint32_t>((begin + i) % pages);
      if (index == 0)
        run = 0;
      auto info = arena_.page(index).info.load(std::memory_order_relaxed);
      run =
        layout::page_state_of(info) == layout::page_state::free ? run + 1 : 0;
      if (run < length)
        continue;
      auto first = index + 1 - length;
      if (claim_run(self, first, length)) {
        control.page_cursor.store(index + 1, std::memory_order_relaxed);
        control.used_pages.fetch_add(length, std::memory_order_relaxed);
        return first;
      }
      run = 0;
    }
    return no_page;
  }

  bool claim_run(context& self, std::uint32_t first,
                 std::uint32_t length) noexcept {
    // Each page is claimed alone first (length 1), so that a crash on the way
    // leaves claims that `release_owner` understands.
    for (std::uint32_t i = 0; i < length; ++i) {
      auto info = arena_.page(first + i).info.load(std::memory_order_relaxed);
      auto mine =
        layout::make_page_info(layout::page_state::claimed, 0, self.owner, 1);
      if (layout::page_state_of(info) == layout::page_state::free
          && arena_.page(first + i).info.compare_exchange_strong(
            info, mine, std::memory_order_acq_rel))
        continue;
      while (i-- > 0)
        arena_.page(first + i).info.store(0, std::memory_order_release);
      return false;
    }
    arena_.page(first).info.store(
      layout::make_page_info(layout::page_state::claimed, 0, self.owner,
                             length),
      std::memory_order_release);
    for (std::uint32_t i = 1; i < length; ++i)
      arena_.page(first + i).info.store(
        layout::make_page_info(layout::page_state::tail, 0, 0, i),
        std::memory_order_release);
    return true;
  }

  /// Frees the pages of a claimed or large span, the first one last.
  void release_pages(std::uint32_t first, std::uint32_t length,
                     unsigned owner) noexcept {
    auto pages = arena_.committed_pages();
    if (first >= pages || length == 0 || length > pages - first)
      return;
    arena_.page(first).info.store(
      layout::make_page_info(layout::page_state::claimed, 0, owner, length),
      std::memory_order_release);
    for (std::uint32_t i = 1; i < length; ++i) {
      auto& page = arena_.page(first + i);
      auto info = page.info.load(std::memory_order_relaxed);
      auto tail = layout::make_page_info(layout::page_state::tail, 0, 0, i);
      if (info == tail)
        page.info.compare_exchange_strong(info, 0, std::memory_order_acq_rel);
    }
    arena_.page(first).free_blocks.store(0, std::memory_order_relaxed);
    // The count first: pages counted twice as free are found out by looking,
    // pages never counted as free would be lost.
    subtract(arena_.control().used_pages, length);
    arena_.page(first).info.store(0, std::memory_order_release);
  }

  /// Frees the pages of a span of ours in which every block is free.
  void release_empty_span(context& self, std::uint32_t first,
                          unsigned size_class, std::uint32_t length) noexcept {
    arena_.page(first).info.store(
      layout::make_page_info(layout::page_state::claimed, size_class,
                             self.owner, length),
      std::memory_order_release);
    subtract(arena_.control().classes[size_class].free_blocks,
             arena_.shape().classes.blocks_of(size_class));
    release_pages(first, length, self.owner);
  }

  void give_asked_for(context& self, std::uint32_t asked) noexcept {
    self.asked_for = asked;
    auto size_class = asked % layout::max_classes;
    if (size_class >= arena_.shape().classes.count())
      return;
    if (self.span[size_class] != 0)
      release_span(self, size_class);
    drain(self, size_class, 0);
  }

  void release_found(std::uint32_t granule, unsigned owner) noexcept {
    auto* block = arena_.block(granule);
    if (block == nullptr)
      return;
    auto word = block->word.load(std::memory_order_acquire);
    if (layout::owner_of(word) == owner
        && layout::state_of(word) == state::held)
      free_block(granule, owner);
  }

  [[nodiscard]] bool all_free(std::uint32_t page,
                              unsigned size_class) const noexcept {
    auto count = arena_.shape().classes.blocks_of(size_class);
    for (std::uint32_t n = 0; n < count; ++n) {
      auto* block = arena_.block(granule_of(page, size_class, n));
      if (block == nullptr
          || layout::state_of(block->word.load(std::memory_order_acquire))
               != state::free)
        return false;
    }
    return true;
  }

  void release_span(context& self, unsigned size_class) noexcept {
    auto page = self.span[size_class] - 1;
    self.span[size_class] = 0;
    auto info = arena_.page(page).info.load(std::memory_order_relaxed);
    arena_.page(page).info.store(
      layout::make_page_info(layout::page_state::span, size_class, 0,
                             layout::page_length_of(info)),
      std::memory_order_release);
  }

  void release_spans(context& self) noexcept {
    for (unsigned i = 0; i < arena_.shape().classes.count(); ++i)
      if (self.span[i] != 0)
        release_span(self, i);
  }

  arena_type arena_;
  basic_span_bits<Sync> bits_;
  std::array<std::uint32_t, layout::max_classes> capacities_{};
};

} // namespace neuroplex::memory
