// The store's operations on its memory as a whole: compact, defragment,
// utilization, memory_pressure, optimize.
#include "memory/compact.hpp"

#include "memory/store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>

namespace neuroplex::memory {

using detail::store_impl;

namespace {

/// Moved between two looks at whether to go on.
constexpr std::uint64_t defragment_step_bytes = std::uint64_t{256} << 10;

/// Entries that a sweep looks at in one go.
constexpr std::size_t sweep_batch = 4096;

compaction_result result_of(const compaction_work& work, const geometry& shape,
                            bool done) noexcept {
  compaction_result result;
  result.moved_entries = work.entries;
  result.moved_bytes = work.bytes;
  result.expired_entries = work.expired;
  result.freed_bytes = work.pages << shape.page_shift;
  result.done = done;
  return result;
}

/// The calling thread's context, or why it may not write.
expected<store_impl::context*> writer(store_impl& impl) {
  if (auto state = impl.usable(); state != errc::ok)
    return state;
  if (impl.mode() == access_mode::read_only)
    return errc::read_only;
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  return self;
}

/// Reads the page directory into the report: spans, blocks, free runs.
void survey_pages(const store_impl& impl, utilization_report& report) {
  const auto& arena = impl.arena();
  const auto& shape = impl.shape();
  const auto& classes = shape.classes;
  auto pages = arena.committed_pages();
  std::vector<class_utilization> all(classes.count());
  std::uint64_t run = 0;
  std::uint64_t longest = 0;
  for (std::uint32_t i = 0; i < pages; ++i) {
    auto& page = arena.page(i);
    auto info = page.info.load(std::memory_order_acquire);
    auto kind = layout::page_state_of(info);
    auto length = std::min(layout::page_length_of(info), pages - i);
    run = kind == layout::page_state::free ? run + 1 : 0;
    longest = std::max(longest, run);
    if (kind == layout::page_state::large) {
      ++report.large_blocks;
      report.large_bytes += length * shape.page_bytes;
    }
    auto size_class = layout::page_class_of(info);
    if (kind != layout::page_state::span || size_class >= classes.count())
      continue;
    auto& row = all[size_class];
    auto count = classes.blocks_of(size_class);
    auto spare =
      std::min(page.free_blocks.load(std::memory_order_relaxed), count);
    row.block_bytes = static_cast<std::uint32_t>(classes.bytes_of(size_class));
    ++row.spans;
    row.span_bytes += length * shape.page_bytes;
    row.used_blocks += count - spare;
    row.free_blocks += spare;
  }
  report.largest_free_run_bytes = longest * shape.page_bytes;
  std::copy_if(all.begin(), all.end(), std::back_inserter(report.classes),
               [](auto& row) { return row.spans != 0; });
}

std::vector<std::string> advice_for(const store_stats& stats,
                                    const pressure_report& pressure) {
  std::vector<std::string> advice;
  if (pressure.level >= pressure_level::high)
    advice.push_back("the pool is nearly full: reserve more memory, give "
                     "entries a lifetime, or let namespaces evict");
  constexpr std::uint64_t many_doublings = 4;
  if (stats.index_doublings >= many_doublings)
    advice.push_back("the index doubled "
                     + std::to_string(stats.index_doublings)
                     + " times: create the segment with max_entries near "
                     + std::to_string(stats.entries));
  constexpr std::uint64_t crowded_share = 4;
  if (stats.threads > stats.max_threads / crowded_share * (crowded_share - 1))
    advice.push_back("most thread slots are in use: let threads end, or use "
                     "fewer processes");
  if (stats.corrupt_reads != 0)
    advice.push_back("reads met damaged entries: run verify and restore");
  return advice;
}

} // namespace

namespace detail {

bool store_impl::compact(context& self, std::uint64_t max_bytes,
                         compaction_work& work) {
  std::lock_guard guard{compaction_mutex_};
  return compactor_.step(self, max_bytes, work);
}

std::uint32_t store_impl::squeeze(context& self, std::uint64_t bytes) {
  std::lock_guard guard{compaction_mutex_};
  compaction_work work;
  return compactor_.squeeze(self, bytes, work);
}

} // namespace detail

expected<compaction_result> store::compact(std::uint64_t max_bytes) {
  if (max_bytes == 0)
    return failure{errc::bad_argument, "compact: 0 bytes: give at least one"};
  auto self = writer(*impl_);
  if (!self)
    return self.error();
  compaction_work work;
  bool more = impl_->compact(**self, max_bytes, work);
  return result_of(work, impl_->shape(), !more);
}

expected<defragmentation_result> store::defragment() {
  auto self = writer(*impl_);
  if (!self)
    return self.error();
  auto before = utilization();
  if (!before)
    return before.error();
  compaction_work work;
  bool more = true;
  // What this thread keeps ready lies in spans that are to be emptied.
  impl_->engine().pool().flush(**self);
  impl_->engine().pool().scavenge(**self);
  // Beside writers more to do may come for ever; without one, steps that move
  // nothing are those that wait for others, and few.
  constexpr unsigned most_idle_steps = 4096;
  unsigned idle = 0;
  while (more && work.bytes < before->pool_bytes && idle < most_idle_steps) {
    auto moved = work.bytes;
    more = impl_->compact(**self, defragment_step_bytes, work);
    if (work.bytes == moved)
      ++idle;
  }
  impl_->engine().pool().flush(**self);
  impl_->engine().pool().scavenge(**self);
  auto after = utilization();
  if (!after)
    return after.error();
  defragmentation_result result;
  result.work = result_of(work, impl_->shape(), !more);
  result.fragmentation_before = before->fragmentation();
  result.fragmentation_after = after->fragmentation();
  result.largest_free_run_before = before->largest_free_run_bytes;
  result.largest_free_run_after = after->largest_free_run_bytes;
  return result;
}

expected<utilization_report> store::utilization() const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  auto now = stats();
  utilization_report report;
  report.segment_bytes = now.segment_bytes;
  report.pool_bytes = now.pool_bytes;
  report.pool_used_bytes = now.pool_used_bytes;
  report.live_block_bytes = now.live_block_bytes;
  report.entries = now.entries;
  report.reclaimable_bytes = impl_->reclaimable_bytes();
  survey_pages(*impl_, report);
  return report;
}

expected<pressure_report> store::memory_pressure() const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  // Not from `stats`, which asks the kernel about our mapping.
  const auto& shape = impl_->shape();
  const auto& control = impl_->arena().control();
  auto used =
    control.used_pages.load(std::memory_order_relaxed) * shape.page_bytes;
  std::uint64_t live = 0;
  for (const auto& each : namespaces())
    live += each.block_bytes;
  auto most = shape.reserved_pages * shape.page_bytes;
  pressure_report report;
  auto of_most = [&](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(most);
  };
  report.used = of_most(used);
  report.live = of_most(live);
  if (used > live)
    report.fragmentation =
      1 - static_cast<double>(live) / static_cast<double>(used);
  report.free_bytes = most - std::min(used, most);
  report.reclaimable_bytes = impl_->reclaimable_bytes();
  report.level = pressure_of(report.used);
  report.advised_step_bytes =
    advised_step(report.level, report.reclaimable_bytes, most);
  return report;
}

expected<optimization_result> store::optimize() {
  auto self = writer(*impl_);
  if (!self)
    return self.error();
  optimization_result result;
  auto dead = recover();
  if (!dead)
    return dead.error();
  result.dead_threads = *dead;
  for (const auto& each : namespaces()) {
    scan_cursor cursor;
    while (!cursor.done()) {
      std::size_t removed = 0;
      if (sweep_expired(each.id, cursor, sweep_batch, removed) != errc::ok)
        break; // dropped meanwhile
      result.expired_entries += removed;
    }
  }
  auto memory = defragment();
  if (!memory)
    return memory.error();
  result.memory = *memory;
  auto now = memory_pressure();
  if (!now)
    return now.error();
  result.advice = advice_for(stats(), *now);
  return result;
}

} // namespace neuroplex::memory
