// Free pages in a row, where there are enough but scattered.
//
// Purpose: a window of the pool that is cheap to clear is cleared: its free
// pages are claimed, so that nobody uses them meanwhile, the spans and large
// blocks in it are moved elsewhere. Then all of it is given back as free pages.
//
// Threads: any number at once; they meet at claims of pages and spans. Between
// the giving back and the caller's allocation somebody else may be faster,
// which the caller notices and repeats.
//
// Failure behaviour: what could not be cleared is left as it is. A process that
// dies here leaves claims in its name, which recovery gives back.
#pragma once

#include "memory/compact_span.hpp"

#include <algorithm>
#include <vector>

namespace neuroplex::memory {

template <class Sync>
class basic_window {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using evacuator = basic_evacuator<Sync>;
  using progress = typename evacuator::progress;

  explicit basic_window(engine_type& engine) noexcept : engine_{engine} {
  }

  /// Clears `length` pages in a row. False when no window could be cleared.
  [[nodiscard]] bool open(context& self, std::uint32_t length,
                          compaction_work& work) {
    weigh();
    for (unsigned attempt = 0; attempt < most_windows; ++attempt) {
      auto first = cheapest(length);
      if (first == no_page)
        return false;
      if (clear(self, first, length, work))
        return true;
      for (std::uint32_t i = 0; i < length; ++i)
        costs_[first + i] = blocked;
    }
    return false;
  }

private:
  static constexpr unsigned most_windows = 16;
  static constexpr unsigned most_steps = 64;
  static constexpr std::uint64_t blocked = std::uint64_t{1} << 32;

  /// What it costs to clear each page, about.
  void weigh() {
    const auto& arena = engine_.arena();
    const auto& classes = arena.shape().classes;
    auto pages = arena.committed_pages();
    costs_.assign(pages, blocked);
    auto longest = longest_run();
    for (std::uint32_t i = 0; i < pages;) {
      auto& page = arena.page(i);
      auto info = page.info.load(std::memory_order_acquire);
      auto size_class = layout::page_class_of(info);
      std::uint32_t length = 1;
      auto cost = blocked;
      switch (layout::page_state_of(info)) {
        case layout::page_state::free:
          cost = 0;
          break;
        case layout::page_state::span:
          length = layout::page_length_of(info);
          if (layout::page_owner_of(info) == 0 && size_class < classes.count()
              && has_place(page, size_class, longest))
            cost = live_bytes(page, size_class) / std::max(length, 1U) + 1;
          break;
        case layout::page_state::large:
          length = layout::page_length_of(info);
          if (length <= longest)
            cost = arena.shape().page_bytes;
          break;
        default:
          break;
      }
      length = std::clamp(length, 1U, pages - i);
      std::fill_n(costs_.begin() + i, length, cost);
      i += length;
    }
  }

  [[nodiscard]] std::uint64_t live_bytes(const layout::page_record<Sync>& page,
                                         unsigned size_class) const noexcept {
    const auto& classes = engine_.arena().shape().classes;
    auto count = classes.blocks_of(size_class);
    auto spare =
      std::min(page.free_blocks.load(std::memory_order_relaxed), count);
    return (count - spare) * classes.bytes_of(size_class);
  }

  /// First page of the cheapest window, or no_page.
  [[nodiscard]] std::uint32_t cheapest(std::uint32_t length) const noexcept {
    if (length == 0 || length > costs_.size())
      return no_page;
    std::uint64_t sum = 0;
    auto best = blocked;
    auto first = no_page;
    for (std::uint32_t i = 0; i < costs_.size(); ++i) {
      sum += costs_[i];
      if (i >= length)
        sum -= costs_[i - length];
      if (i + 1 >= length && sum < best) {
        best = sum;
        first = i + 1 - length;
      }
    }
    return first;
  }

  bool clear(context& self, std::uint32_t first, std::uint32_t length,
             compaction_work& work) {
    std::vector<std::uint32_t> held;
    std::vector<std::uint32_t> large;
    std::vector<evacuator> spans;
    bool cleared = claim_all(self, first, length, held, large, spans)
                   && has_places(spans, large);
    for (auto& each : spans)
      cleared = cleared && empty(self, each, work)
                && hold_free(self, first, length, held);
    for (auto page : large)
      cleared = cleared && move_large(self, page, work)
                && hold_free(self, first, length, held);
    cleared = cleared && held.size() == length;
    for (auto& each : spans)
      each.abandon();
    for (auto page : held)
      engine_.arena().page(page).info.store(0, std::memory_order_release);
    return cleared;
  }

  /// Claims what is free and every span of the window before anything moves, so
  /// that nothing moves from one part of the window into another.
  bool claim_all(context& self, std::uint32_t first, std::uint32_t length,
                 std::vector<std::uint32_t>& held,
                 std::vector<std::uint32_t>& large,
                 std::vector<evacuator>& spans) {
    const auto& arena = engine_.arena();
    for (auto i = first; i < first + length;) {
      auto info = arena.page(i).info.load(std::memory_order_acquire);
      auto head = i;
      if (layout::page_state_of(info) == layout::page_state::tail) {
        head = i - std::min(i, layout::page_length_of(info));
        info = arena.page(head).info.load(std::memory_order_acquire);
      }
      std::uint32_t pages = 1;
      switch (layout::page_state_of(info)) {
        case layout::page_state::free:
          if (head != i || !hold(self, i, held))
            return false;
          break;
        case layout::page_state::span:
          spans.emplace_back(engine_);
          if (!spans.back().claim(self, head))
            return false;
          pages = layout::page_length_of(info) - (i - head);
          break;
        case layout::page_state::large:
          large.push_back(head);
          pages = layout::page_length_of(info) - (i - head);
          break;
        default:
          return false;
      }
      i += std::clamp(pages, 1U, first + length - i);
    }
    return true;
  }

  /// Whether what is in the window could go elsewhere, by the counts: to learn
  /// it by moving would be dear.
  [[nodiscard]] bool
  has_places(const std::vector<evacuator>& spans,
             const std::vector<std::uint32_t>& large) const noexcept {
    const auto& arena = engine_.arena();
    auto longest = longest_run();
    return std::all_of(
             large.begin(), large.end(),
             [&](auto page) {
               return layout::page_length_of(
                        arena.page(page).info.load(std::memory_order_relaxed))
                      <= longest;
             })
           && std::all_of(spans.begin(), spans.end(), [&](const auto& span) {
                return has_place(arena.page(span.page()), span.size_class(),
                                 longest);
              });
  }

  /// Whether the entries of a span fit into others of its class, or a new one.
  [[nodiscard]] bool has_place(const layout::page_record<Sync>& page,
                               unsigned size_class,
                               std::uint32_t longest) const noexcept {
    const auto& classes = engine_.arena().shape().classes;
    auto count = classes.blocks_of(size_class);
    auto here =
      std::min(count, page.free_blocks.load(std::memory_order_relaxed));
    auto all = engine_.arena().control().classes[size_class].free_blocks.load(
      std::memory_order_relaxed);
    return classes.pages_of(size_class) <= longest
           || (all >= here && all - here >= count - here);
  }

  [[nodiscard]] std::uint32_t longest_run() const noexcept {
    const auto& arena = engine_.arena();
    std::uint32_t run = 0;
    std::uint32_t longest = 0;
    for (std::uint32_t i = 0; i < costs_.size(); ++i) {
      run =
        arena.page(i).info.load(std::memory_order_relaxed) == 0 ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    return longest;
  }

  /// Claims a free page in our name.
  bool hold(context& self, std::uint32_t page,
            std::vector<std::uint32_t>& held) {
    layout::page_info free = 0;
    if (!engine_.arena().page(page).info.compare_exchange_strong(
          free,
          layout::make_page_info(layout::page_state::claimed, 0, self.owner, 1),
          std::memory_order_acq_rel))
      return false;
    held.push_back(page);
    return true;
  }

  /// Claims the pages of the window that have just become free.
  bool hold_free(context& self, std::uint32_t first, std::uint32_t length,
                 std::vector<std::uint32_t>& held) {
    for (auto i = first; i < first + length; ++i)
      if (engine_.arena().page(i).info.load(std::memory_order_acquire) == 0
          && !hold(self, i, held))
        return false;
    return true;
  }

  bool empty(context& self, evacuator& span, compaction_work& work) {
    auto take = [&](std::uint64_t bytes) {
      auto& pool = engine_.pool();
      const auto& classes = engine_.arena().shape().classes;
      return evacuator::take_spare(pool, self, classes.class_of(bytes),
                                   evacuator::carving::yes);
    };
    for (unsigned steps = 0; steps < most_steps; ++steps)
      switch (span.step(self, ~std::uint64_t{0} >> 1, true, work, take)) {
        case progress::more:
          break;
        case progress::emptied:
          return true;
        default:
          return false;
      }
    return false;
  }

  bool move_large(context& self, std::uint32_t page, compaction_work& work) {
    auto& pool = engine_.pool();
    basic_mover<Sync> mover{engine_};
    auto outcome =
      mover.move(self, pool.large_granule(page), [&](std::uint64_t bytes) {
        return pool.allocate_large(self, bytes);
      });
    if (outcome == move_outcome::moved) {
      ++work.entries;
      work.bytes += mover.moved_bytes();
    } else if (outcome == move_outcome::expired) {
      ++work.expired;
    } else {
      return false;
    }
    pool.reuse_retired(self);
    return true;
  }

  engine_type& engine_;
  std::vector<std::uint64_t> costs_; ///< of each page, in bytes to move
};

} // namespace neuroplex::memory
