// Compaction: live entries of sparse spans move into fuller spans of their
// class, emptied spans go back to the pool as free pages, and free pages are
// brought together where a large block needs several in a row.
//
// Purpose: memory that was once carved for one size becomes memory for any
// size, in bounded steps, under readers and writers. A class is chosen by what
// it could give back, its spans are surveyed, the emptiest are emptied into the
// fullest (compact_span.hpp); then comes the next class.
//
// Ownership and threads: one thread at a time uses a compactor; several
// compactors, of threads or processes, may work on one segment: each span is
// claimed by compare-and-swap. A claim may outlive a step, not the compactor's
// process.
//
// Invariants:
//  1. A step moves no more bytes than it was told, but one entry at least, and
//     looks at a bounded number of records.
//  2. It answers false once nothing more pays, so that a loop over it ends.
//
// Failure behaviour: what cannot be moved stays; nothing is ever lost by it.
#pragma once

#include "memory/compact_window.hpp"

#include <algorithm>
#include <bitset>
#include <vector>

namespace neuroplex::memory {

template <class Sync>
class basic_compactor {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using evacuator = basic_evacuator<Sync>;
  using progress = typename evacuator::progress;

  explicit basic_compactor(engine_type& engine) noexcept
    : engine_{engine}, victim_{engine} {
  }

  /// Goes on for about `max_bytes` of moved entries; false when nothing more
  /// pays at present.
  [[nodiscard]] bool step(context& self, std::uint64_t max_bytes,
                          compaction_work& work) {
    auto begin = work.bytes;
    for (unsigned spans = 0;
         spans < most_spans_a_step && work.bytes - begin < max_bytes; ++spans) {
      if (stage_ == stage::choose && !choose(self))
        return false;
      if (stage_ == stage::survey && !survey())
        break;
      if (stage_ == stage::empty
          && !empty_one(self, max_bytes - (work.bytes - begin),
                        work.bytes == begin, work))
        break;
    }
    pause_target();
    return true;
  }

  /// Ends what is under way: to be called before the process leaves.
  void abandon() noexcept {
    leave_target();
    victim_.abandon();
    stage_ = stage::choose;
  }

  /// Makes free pages in a row for a block of `bytes`, moving a bounded number
  /// of entries. False when there is no way, or when it was tried in vain and
  /// nothing has become free since.
  [[nodiscard]] bool make_room(context& self, std::uint64_t bytes,
                               compaction_work& work) {
    auto& pool = engine_.pool();
    const auto& classes = shape().classes;
    auto need = bytes > classes.largest()
                  ? static_cast<std::uint32_t>(pool.large_pages(bytes))
                  : classes.pages_of(classes.class_of(bytes));
    auto pages = engine_.arena().committed_pages();
    if (need > pages)
      return false;
    auto least_gain = std::max<std::uint64_t>(need, pages / 256)
                      << shape().page_shift;
    if (need >= futile_pages_ && free_bytes() < futile_bytes_ + least_gain)
      return false;
    auto end = work.bytes + std::max<std::uint64_t>(room_bytes, 8 * bytes);
    for (unsigned round = 0; round < room_rounds && work.bytes < end; ++round) {
      if (has_room(self, need, work))
        return true;
      if (!step(self, room_step_bytes, work))
        break;
    }
    if (has_room(self, need, work))
      return true;
    futile_pages_ = need;
    futile_bytes_ = free_bytes();
    return false;
  }

  /// A block of at least `bytes` by whatever means are left, held by the
  /// thread and named in its `pending`; or 0.
  [[nodiscard]] std::uint32_t squeeze(context& self, std::uint64_t bytes,
                                      compaction_work& work) {
    // What room was made may be gone when we come to take it.
    for (unsigned attempt = 0; attempt < most_squeezes; ++attempt) {
      if (!make_room(self, bytes, work))
        break;
      if (auto granule = engine_.pool().allocate(self, bytes); granule != 0)
        return granule;
    }
    return allocate_roomier(self, bytes);
  }

  /// Bytes that compaction of the classes could give back, by their counts.
  [[nodiscard]] std::uint64_t reclaimable_bytes() const noexcept {
    std::uint64_t pages = 0;
    for (unsigned i = 0; i < shape().classes.count(); ++i)
      pages += gain_of(i);
    return pages << shape().page_shift;
  }

  [[nodiscard]] std::uint32_t free_pages() const noexcept {
    auto pages = engine_.arena().committed_pages();
    auto used =
      engine_.arena().control().used_pages.load(std::memory_order_relaxed);
    return used < pages ? pages - used : 0;
  }

private:
  enum class stage : std::uint8_t { choose, survey, empty };

  static constexpr unsigned most_spans_a_step = 16;
  static constexpr std::uint32_t records_a_step = 4096;
  static constexpr std::uint64_t room_bytes = std::uint64_t{1} << 20;
  static constexpr std::uint64_t room_step_bytes = std::uint64_t{64} << 10;
  static constexpr unsigned room_rounds = 4096;
  static constexpr unsigned most_squeezes = 4;

  /// A span as the survey saw it.
  struct candidate {
    std::uint32_t page;
    std::uint32_t free_blocks;
  };

  [[nodiscard]] const geometry& shape() const noexcept {
    return engine_.arena().shape();
  }

  // -- classes ----------------------------------------------------------------

  /// Pages that the free blocks of a class add up to, in whole spans.
  [[nodiscard]] std::uint64_t gain_of(unsigned size_class) const noexcept {
    const auto& classes = shape().classes;
    auto spare = engine_.arena().control().classes[size_class].free_blocks.load(
      std::memory_order_relaxed);
    return std::uint64_t{spare / classes.blocks_of(size_class)}
           * classes.pages_of(size_class);
  }

  bool choose(context& self) noexcept {
    leave_target();
    std::uint64_t best = 0;
    for (unsigned i = 0; i < shape().classes.count(); ++i)
      if (auto gain = gain_of(i); gain > best && !tried_[i]) {
        best = gain;
        size_class_ = i;
      }
    if (best == 0) {
      tried_.reset();
      return false;
    }
    tried_.set(size_class_);
    auto& pool = engine_.pool();
    if (self.span[size_class_] != 0)
      pool.release_span(self, size_class_);
    pool.ask_for(size_class_);
    spans_.clear();
    next_page_ = 0;
    stage_ = stage::survey;
    return true;
  }

  /// Looks for the spans of the class; true once all are known.
  bool survey() {
    const auto& arena = engine_.arena();
    auto pages = arena.committed_pages();
    auto end = std::min<std::uint64_t>(pages, std::uint64_t{next_page_}
                                                + records_a_step);
    for (; next_page_ < end; ++next_page_) {
      auto& page = arena.page(next_page_);
      auto info = page.info.load(std::memory_order_acquire);
      auto spare = page.free_blocks.load(std::memory_order_relaxed);
      if (layout::page_state_of(info) == layout::page_state::span
          && layout::page_class_of(info) == size_class_
          && layout::page_owner_of(info) == 0 && spare != 0)
        spans_.push_back({next_page_, spare});
    }
    if (next_page_ < pages)
      return false;
    std::sort(spans_.begin(), spans_.end(), [](auto& left, auto& right) {
      return left.free_blocks != right.free_blocks
               ? left.free_blocks < right.free_blocks
               : left.page < right.page;
    });
    room_ = 0;
    for (auto& each : spans_)
      room_ += each.free_blocks;
    next_target_ = 0;
    stage_ = stage::empty;
    return true;
  }

  /// Empties the emptiest span, or a part of it. False when others must act
  /// first, so that the step should end.
  bool empty_one(context& self, std::uint64_t max_bytes, bool one_at_least,
                 compaction_work& work) {
    if (!victim_.busy() && !next_victim(self)) {
      stage_ = stage::choose;
      return true;
    }
    auto before = work.bytes;
    switch (
      victim_.step(self, max_bytes, one_at_least, work,
                   [&](std::uint64_t bytes) { return take(self, bytes); })) {
      case progress::more:
        return work.bytes != before;
      case progress::no_room:
        stage_ = stage::choose;
        return true;
      default:
        return true;
    }
  }

  bool next_victim(context& self) noexcept {
    auto count = shape().classes.blocks_of(size_class_);
    while (spans_.size() > next_target_) {
      auto last = spans_.back();
      auto spare = std::min(engine_.arena().page(last.page).free_blocks.load(
                              std::memory_order_relaxed),
                            count);
      room_ -= std::min<std::uint64_t>(room_, last.free_blocks);
      spans_.pop_back();
      if (count - spare > room_)
        return false; // the rest is fuller, and has less room
      if (last.page != target_ && victim_.claim(self, last.page, size_class_))
        return true;
    }
    return false;
  }

  /// A block for an entry of `bytes` out of the fullest spans.
  std::uint32_t take(context& self, std::uint64_t bytes) noexcept {
    auto& pool = engine_.pool();
    const auto& classes = shape().classes;
    // An entry that found no room in its own class long ago may go back there.
    if (auto own = classes.class_of(bytes); own != size_class_)
      if (auto granule =
            evacuator::take_spare(pool, self, own, evacuator::carving::no);
          granule != 0)
        return granule;
    for (;;) {
      if (target_ == no_page && !claim_target(self))
        return 0;
      if (pool.take_from_span(self, target_, size_class_, 1)) {
        room_ -= std::min<std::uint64_t>(room_, 1);
        return pool.allocate(self, classes.bytes_of(size_class_));
      }
      leave_target();
    }
  }

  bool claim_target(context& self) noexcept {
    while (next_target_ < spans_.size()) {
      auto page = spans_[next_target_++].page;
      auto& record = engine_.arena().page(page);
      auto info = record.info.load(std::memory_order_acquire);
      if (layout::page_state_of(info) == layout::page_state::span
          && layout::page_class_of(info) == size_class_
          && layout::page_owner_of(info) == 0
          && record.info.compare_exchange_strong(
            info,
            layout::make_page_info(layout::page_state::span, size_class_,
                                   self.owner, layout::page_length_of(info)),
            std::memory_order_acq_rel)) {
        target_ = page;
        return true;
      }
    }
    return false;
  }

  /// Between steps others may use the target; we come back to it.
  void pause_target() noexcept {
    if (target_ != no_page)
      --next_target_;
    leave_target();
  }

  void leave_target() noexcept {
    if (target_ == no_page)
      return;
    engine_.arena().page(target_).info.store(
      layout::make_page_info(layout::page_state::span, size_class_, 0,
                             shape().classes.pages_of(size_class_)),
      std::memory_order_release);
    target_ = no_page;
  }

  // -- free pages -------------------------------------------------------------

  [[nodiscard]] bool has_run(std::uint32_t need) const noexcept {
    const auto& arena = engine_.arena();
    auto pages = arena.committed_pages();
    std::uint32_t run = 0;
    for (std::uint32_t i = 0; i < pages && run < need; ++i)
      run = layout::page_state_of(
              arena.page(i).info.load(std::memory_order_relaxed))
                == layout::page_state::free
              ? run + 1
              : 0;
    return run >= need;
  }

  /// A block half as large again at most, or whole pages: it wastes, but what
  /// it wastes nobody else could use just now.
  std::uint32_t allocate_roomier(context& self, std::uint64_t bytes) noexcept {
    auto& pool = engine_.pool();
    const auto& classes = shape().classes;
    if (bytes > classes.largest())
      return 0;
    auto least = classes.class_of(bytes);
    for (auto i = least + 1;
         i < classes.count() && classes.bytes_of(i) <= bytes + bytes / 2; ++i) {
      auto spare = engine_.arena().control().classes[i].free_blocks.load(
        std::memory_order_relaxed);
      if (spare == 0 && classes.pages_of(i) >= classes.pages_of(least))
        continue;
      if (auto granule = pool.allocate(self, classes.bytes_of(i)); granule != 0)
        return granule;
    }
    return bytes > shape().page_bytes / 2 ? pool.allocate_large(self, bytes)
                                          : 0;
  }

  /// Whether `need` free pages lie in a row, after moving a few entries if that
  /// helps. What did not help is not repeated before more pages are free.
  bool has_room(context& self, std::uint32_t need, compaction_work& work) {
    auto pages = free_pages();
    if (pages < need)
      return false;
    if (has_run(need))
      return true;
    if (need >= closed_window_ && pages <= closed_pages_)
      return false;
    pause_target();
    if (basic_window<Sync>{engine_}.open(self, need, work))
      return true;
    closed_window_ = need;
    closed_pages_ = pages;
    return false;
  }

  /// What is free in whatever form.
  [[nodiscard]] std::uint64_t free_bytes() const noexcept {
    const auto& classes = shape().classes;
    auto result = std::uint64_t{free_pages()} << shape().page_shift;
    for (unsigned i = 0; i < classes.count(); ++i)
      result += classes.bytes_of(i)
                * engine_.arena().control().classes[i].free_blocks.load(
                  std::memory_order_relaxed);
    return result;
  }

  engine_type& engine_;
  evacuator victim_;
  std::vector<candidate> spans_; ///< fullest first; victims leave at the end
  std::bitset<layout::max_classes> tried_;
  stage stage_ = stage::choose;
  unsigned size_class_ = 0;
  std::uint32_t next_page_ = 0; ///< of the survey
  std::uint64_t room_ = 0;      ///< free blocks in `spans_`
  std::size_t next_target_ = 0;
  std::uint32_t target_ = no_page;        ///< claimed
  std::uint32_t closed_window_ = no_page; ///< pages that could not be cleared
  std::uint32_t closed_pages_ = 0; ///< to be free before it is tried again
  std::uint32_t futile_pages_ = no_page; ///< what was last looked for in vain
  std::uint64_t futile_bytes_ = 0;       ///< free then
};

} // namespace neuroplex::memory
