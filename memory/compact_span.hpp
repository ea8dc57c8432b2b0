// Emptying one span: its live entries go elsewhere, its pages become free.
//
// Purpose: the unit of compaction. A span is claimed by compare-and-swap on its
// page's record, as for allocation, and marked as being emptied: whoever frees
// one of its blocks meanwhile frees it into the span, and none is allocated
// from it. Blocks that lie ready in other threads' magazines are asked for
// (`basic_pool::ask_for`); those of an idle thread keep the span in use.
//
// Ownership: the claim stays between two steps, in the name of the thread that
// claimed it. Whoever holds the evacuator may go on or give up, one at a time.
// A claim of a dead process is given up by recovery.
//
// Invariants:
//  1. A step moves no more than it was told, but always one entry at least.
//  2. Pages become free only when the word of every block says `free`.
#pragma once

#include "memory/compact_move.hpp"

namespace neuroplex::memory {

/// What compaction has done so far.
struct compaction_work {
  std::uint64_t entries = 0; ///< moved
  std::uint64_t bytes = 0;   ///< of them, header and key included
  std::uint64_t expired = 0; ///< removed instead of moved
  std::uint64_t pages = 0;   ///< that became free
};

template <class Sync>
class basic_evacuator {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using state = layout::block_state;

  enum class progress : std::uint8_t {
    more,    ///< the budget was used up, or others still hold blocks
    emptied, ///< the pages are free
    stuck,   ///< not to be emptied now; given up
    no_room, ///< nowhere to move to; given up
  };

  explicit basic_evacuator(engine_type& engine) noexcept
    : engine_{engine}, mover_{engine} {
  }

  enum class carving : std::uint8_t { no, yes };

  /// A block of a class out of any span with room, or out of a new one.
  [[nodiscard]] static std::uint32_t take_spare(basic_pool<Sync>& pool,
                                                context& self,
                                                unsigned size_class,
                                                carving carve) noexcept {
    for (unsigned attempt = 0; attempt < most_spans; ++attempt) {
      if (self.span[size_class] == 0 && !pool.adopt_span(self, size_class)
          && (carve == carving::no || !pool.carve_span(self, size_class)))
        return 0;
      if (pool.take_from_span(self, self.span[size_class] - 1, size_class, 1))
        return pool.allocate(self,
                             pool.arena_.shape().classes.bytes_of(size_class));
      pool.release_span(self, size_class);
    }
    return 0;
  }

  [[nodiscard]] std::uint32_t page() const noexcept {
    return page_;
  }

  [[nodiscard]] unsigned size_class() const noexcept {
    return size_class_;
  }

  [[nodiscard]] bool busy() const noexcept {
    return page_ != no_page;
  }

  static constexpr unsigned any_class = layout::max_classes;

  /// Claims the span of `wanted` that begins at `page`. False: it is
  /// somebody's, or none, or of another class by now.
  [[nodiscard]] bool claim(context& self, std::uint32_t page,
                           unsigned wanted = any_class) noexcept {
    auto& arena = engine_.arena();
    auto info = arena.page(page).info.load(std::memory_order_acquire);
    if (layout::page_state_of(info) != layout::page_state::span
        || layout::page_owner_of(info) != 0
        || layout::page_class_of(info) >= arena.shape().classes.count())
      return false;
    auto size_class = layout::page_class_of(info);
    auto pages = layout::page_length_of(info);
    if (wanted != any_class && size_class != wanted)
      return false;
    if (!arena.page(page).info.compare_exchange_strong(
          info,
          layout::make_page_info(layout::page_state::span, size_class,
                                 self.owner, pages)
            | layout::page_emptying,
          std::memory_order_acq_rel))
      return false;
    page_ = page;
    pages_ = pages;
    size_class_ = size_class;
    next_ = 0;
    tries_ = 0;
    return true;
  }

  /// Goes on, with blocks to move to from `take(bytes)`. At most `max_bytes`
  /// are moved, or one entry that is larger if `one_at_least`.
  template <class Take>
  [[nodiscard]] progress step(context& self, std::uint64_t max_bytes,
                              bool one_at_least, compaction_work& work,
                              Take&& take) {
    auto& pool = engine_.pool();
    if (next_ == 0) {
      pool.drain(self, size_class_, 0);
      if (held_by_others(self)) {
        pool.ask_for(size_class_);
        return again(self, work);
      }
    }
    const auto& classes = engine_.arena().shape().classes;
    auto count = classes.blocks_of(size_class_);
    auto block_bytes = classes.bytes_of(size_class_);
    std::uint64_t moved = 0;
    std::uint32_t looked = 0;
    for (; next_ < count; ++next_) {
      if (((moved != 0 || !one_at_least) && moved + block_bytes > max_bytes)
          || ++looked > most_looked)
        return progress::more;
      switch (
        mover_.move(self, pool.granule_of(page_, size_class_, next_), take)) {
        case move_outcome::moved:
          ++work.entries;
          work.bytes += mover_.moved_bytes();
          moved += mover_.moved_bytes();
          break;
        case move_outcome::expired:
          ++work.expired;
          break;
        case move_outcome::gone:
        case move_outcome::kept:
          break;
        case move_outcome::no_room:
          give_up(self);
          return progress::no_room;
      }
    }
    return again(self, work);
  }

  /// Gives the span back as it is.
  void give_up(context& self) noexcept {
    settle(self);
    abandon();
  }

  /// The same without a thread to do it for: what was moved out of the span is
  /// freed by whoever moved it.
  void abandon() noexcept {
    if (page_ == no_page)
      return;
    engine_.arena().page(page_).info.store(
      layout::make_page_info(layout::page_state::span, size_class_, 0, pages_),
      std::memory_order_release);
    page_ = no_page;
  }

private:
  static constexpr unsigned most_spans = 8;
  static constexpr std::uint32_t most_looked = 4096;
  static constexpr unsigned most_tries = 24;

  /// Ends the work on the span if no block is left in it.
  progress again(context& self, compaction_work& work) noexcept {
    settle(self);
    auto& pool = engine_.pool();
    if (pool.all_free(page_, size_class_)) {
      work.pages += pages_;
      pool.release_empty_span(self, page_, size_class_, pages_);
      page_ = no_page;
      return progress::emptied;
    }
    next_ = 0;
    if (++tries_ < most_tries) {
      Sync::pause(tries_ / 2);
      return progress::more;
    }
    abandon();
    return progress::stuck;
  }

  /// Frees what we have moved, but for what others pin.
  void settle(context& self) noexcept {
    auto& pool = engine_.pool();
    pool.reuse_retired(self);
    pool.drain(self, size_class_, 0);
  }

  /// Whether threads have blocks of the span ready or on their way out. Moving
  /// the others would be in vain as long as they do.
  [[nodiscard]] bool held_by_others(const context& self) const noexcept {
    const auto& arena = engine_.arena();
    auto count = arena.shape().classes.blocks_of(size_class_);
    for (std::uint32_t n = 0; n < count; ++n) {
      auto* block =
        arena.block(engine_.pool().granule_of(page_, size_class_, n));
      if (block == nullptr)
        return true;
      auto word = block->word.load(std::memory_order_relaxed);
      auto in = layout::state_of(word);
      if (in != state::free && in != state::live
          && layout::owner_of(word) != self.owner)
        return true;
    }
    return false;
  }

  engine_type& engine_;
  basic_mover<Sync> mover_;
  std::uint32_t page_ = no_page;
  std::uint32_t pages_ = 0;
  unsigned size_class_ = 0;
  std::uint32_t next_ = 0; ///< block to look at
  unsigned tries_ = 0;
};

} // namespace neuroplex::memory
