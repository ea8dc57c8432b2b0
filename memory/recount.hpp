// Counters that survive a kill: looks at what is there and sets right what a
// death may have left undone.
//
// Purpose: the entries and bytes of each namespace, and the pages in use, are
// kept by additions, and an addition leaves no trace: when a process dies next
// to one, nobody can tell whether it happened. Recovery then marks the counters
// as doubtful, and this counts anew. A set counter costs nobody anything: the
// writers' way is the same with and without.
//
// How. A count is right only if nothing changes while it is made. A writer is
// at work while its intent stands, it counts before it withdraws the intent,
// and every intent leaves other words behind than the one before. So if no
// intent stands before and after, and all words are the same, nobody wrote. For
// pages: a page on its way in or out of use is `claimed`, and each way in moves
// the carve epoch. A counter is set by compare-and-swap from what it was
// before.
//
// Threads: any, but one at a time for a segment; the caller sees to that.
// Nobody is held up.
//
// Failure behaviour: answers false when somebody wrote meanwhile, at the first
// look after he did; the doubt remains, and the next call tries again.
#pragma once

#include "memory/arena.hpp"
#include "memory/pool.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace neuroplex::memory {

template <class Sync>
class basic_recount {
public:
  using arena_type = basic_arena<Sync>;

  basic_recount(const arena_type& arena, const basic_pool<Sync>& pool) noexcept
    : arena_{arena}, pool_{pool} {
  }

  /// Whether a counter may be wrong.
  [[nodiscard]] bool needed() const noexcept {
    auto& control = arena_.control();
    return control.entries_in_doubt.load(std::memory_order_relaxed) != 0
           || control.pages_in_doubt.load(std::memory_order_relaxed) != 0;
  }

  /// Counts what is in doubt; answers whether nothing is any more.
  bool run() noexcept {
    auto& control = arena_.control();
    bool entries =
      settle(control.entries_in_doubt, [&] { return count_entries(); });
    bool pages = settle(control.pages_in_doubt, [&] { return count_pages(); });
    return entries && pages;
  }

protected:
  /// A doubt that grew while we counted is another one.
  template <class Doubt, class Count>
  static bool settle(Doubt& doubt, Count&& count) noexcept {
    auto before = doubt.load(std::memory_order_acquire);
    if (before == 0)
      return true;
    return count()
           && doubt.compare_exchange_strong(before, 0,
                                            std::memory_order_acq_rel);
  }

  /// A number made of what each writer announced last, or nothing while one is
  /// at work.
  [[nodiscard]] std::optional<std::uint64_t> writers() const noexcept {
    auto high = std::min<std::uint32_t>(
      arena_.control().threads_high.load(std::memory_order_seq_cst),
      arena_.shape().thread_count);
    std::uint64_t mixed = high;
    auto mix = [&](std::uint64_t word) {
      constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;
      mixed = (mixed ^ word) * odd;
      mixed ^= mixed >> 29;
    };
    for (std::uint32_t i = 0; i < high; ++i) {
      auto& slot = arena_.thread(i);
      // Acquire: pairs with the release that withdraws an intent, so that what
      // was changed and counted under it is seen.
      auto sharing = slot.sharing.load(std::memory_order_acquire);
      if (slot.intent.load(std::memory_order_acquire) != 0 || sharing % 2 != 0)
        return std::nullopt;
      mix(sharing);
      mix(slot.old_granule.load(std::memory_order_relaxed));
      mix(slot.old_word.load(std::memory_order_relaxed));
      mix(slot.new_granule.load(std::memory_order_relaxed));
      mix(slot.new_word.load(std::memory_order_relaxed));
    }
    mix(arena_.control().index_state.load(std::memory_order_acquire));
    return mixed;
  }

  /// Calls `visit(block, fields)` for each live entry while the writers are as
  /// they were when they were `quiet`; false when somebody wrote meanwhile.
  template <class Visit>
  bool visit_live(std::uint64_t quiet, Visit&& visit) const {
    auto index_state =
      arena_.control().index_state.load(std::memory_order_acquire);
    auto level = arena_.level_of(index_state);
    bool doubling = (index_state & layout::index_migrating) != 0
                    && level + 1 < arena_.shape().index_levels;
    auto groups = arena_.lines(level) / layout::lines_per_group;
    for (std::uint64_t group = 0; group < groups; ++group) {
      if (group % groups_a_look == 0 && writers() != quiet)
        return false;
      auto first = group * layout::lines_per_group;
      bool carried =
        doubling
        && (arena_.line(level, first).meta.load(std::memory_order_acquire)
            & layout::meta_carried_over)
             != 0;
      if (carried)
        visit_lines(level + 1, 2 * first, 2 * layout::lines_per_group, visit);
      else
        visit_lines(level, first, layout::lines_per_group, visit);
    }
    return writers() == quiet;
  }

  template <class Counter, class Value>
  static bool set(Counter& counter, Value before, Value counted) noexcept {
    return counter.compare_exchange_strong(before, counted,
                                           std::memory_order_relaxed);
  }

private:
  using line_type = typename arena_type::line_type;

  struct sums {
    std::array<std::uint64_t, limits::max_namespaces> entries{};
    std::array<std::uint64_t, limits::max_namespaces> block_bytes{};
  };

  /// Groups of lines between two looks at the writers.
  static constexpr std::uint64_t groups_a_look = 16;

  bool count_entries() noexcept {
    auto quiet = writers();
    if (!quiet)
      return false;
    sums counted;
    sums before;
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
      auto& record = arena_.name_record(ns);
      before.entries[ns] = record.entries.load(std::memory_order_relaxed);
      before.block_bytes[ns] =
        record.block_bytes.load(std::memory_order_relaxed);
    }
    if (!visit_live(*quiet, [&](const auto*, const layout::entry_fields& seen) {
          ++counted.entries[seen.ns()];
          counted.block_bytes[seen.ns()] +=
            pool_.block_bytes(seen.total_bytes());
        }))
      return false;
    bool all = true;
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
      auto& record = arena_.name_record(ns);
      all = set(record.entries, before.entries[ns], counted.entries[ns]) && all;
      all =
        set(record.block_bytes, before.block_bytes[ns], counted.block_bytes[ns])
        && all;
    }
    return all;
  }

  template <class Visit>
  void visit_lines(unsigned level, std::uint64_t first, std::uint64_t count,
                   Visit& visit) const {
    for (std::uint64_t i = first; i < first + count; ++i)
      for (auto& slot : arena_.line(level, i).slots) {
        auto raw = slot.load(std::memory_order_acquire);
        auto* block = layout::holds_block(raw)
                        ? arena_.block(layout::granule_of(raw))
                        : nullptr;
        if (block == nullptr
            || layout::state_of(block->word.load(std::memory_order_acquire))
                 != layout::block_state::live)
          continue;
        auto fields = layout::read_entry_fields<Sync>(
          reinterpret_cast<const std::byte*>(block));
        if (fields.total_bytes() > arena_.room_after(block))
          continue; // scribbled over
        visit(block, fields);
      }
  }

  bool count_pages() noexcept {
    auto& control = arena_.control();
    auto epoch = control.carve_epoch.load(std::memory_order_seq_cst);
    auto before = control.used_pages.load(std::memory_order_seq_cst);
    std::uint32_t used = 0;
    auto pages = arena_.committed_pages();
    for (std::uint32_t i = 0; i < pages; ++i)
      switch (layout::page_state_of(
        arena_.page(i).info.load(std::memory_order_acquire))) {
        case layout::page_state::free:
          break;
        case layout::page_state::claimed:
          return false;
        default:
          ++used;
      }
    return control.carve_epoch.load(std::memory_order_seq_cst) == epoch
           && set(control.used_pages, before, used);
  }

  const arena_type& arena_;
  const basic_pool<Sync>& pool_;
};

} // namespace neuroplex::memory
