#include "storage/concept/block_arena.hpp"

#include <new>
#include <sys/mman.h>

namespace neuroplex::concepts {

namespace {

constexpr std::align_val_t line{64};
constexpr std::size_t large_head_bytes = 64;
constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

// AddressSanitizer sees a block that is used after it was given back only if it
// goes back to the system's allocator.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif

} // namespace

block_arena::~block_arena() {
  for (auto* region : regions_)
    ::operator delete (region, std::align_val_t{huge_page_bytes});
  while (large_ != nullptr) {
    auto* next = large_->next;
    ::operator delete(large_, line);
    large_ = next;
  }
}

void* block_arena::take(std::size_t bytes) {
  count(static_cast<std::int64_t>(bytes));
  if (bytes > largest_step || !keeps_blocks)
    return take_large(bytes);
  auto kind = (bytes + step_bytes - 1) / step_bytes;
  if (free_[kind] == nullptr)
    refill(kind, kind * step_bytes);
  auto* block = free_[kind];
  free_[kind] = block->next;
  // The next one names the one after it, and was perhaps not used for long.
  __builtin_prefetch(block->next);
  return block;
}

void block_arena::give(void* block, std::size_t bytes) noexcept {
  count(-static_cast<std::int64_t>(bytes));
  if (bytes > largest_step || !keeps_blocks) {
    auto* head = reinterpret_cast<large_block*>(static_cast<std::byte*>(block)
                                                - large_head_bytes);
    (head->previous == nullptr ? large_ : head->previous->next) = head->next;
    if (head->next != nullptr)
      head->next->previous = head->previous;
    reserved_bytes_.fetch_sub(head->bytes, std::memory_order_relaxed);
    ::operator delete(head, line);
    return;
  }
  auto kind = (bytes + step_bytes - 1) / step_bytes;
  auto* freed = static_cast<free_block*>(block);
  freed->next = free_[kind];
  free_[kind] = freed;
}

void* block_arena::take_large(std::size_t bytes) {
  static_assert(sizeof(large_block) <= large_head_bytes);
  auto whole = bytes + large_head_bytes;
  auto* head = static_cast<large_block*>(::operator new(whole, line));
  *head = {large_, nullptr, whole};
  if (large_ != nullptr)
    large_->previous = head;
  large_ = head;
  reserved_bytes_.fetch_add(whole, std::memory_order_relaxed);
  return reinterpret_cast<std::byte*>(head) + large_head_bytes;
}

/// Cuts a run of a region into blocks of one size.
void block_arena::refill(std::size_t kind, std::size_t block_bytes) {
  if (run_begin_ == run_end_) {
    auto* region =
      ::operator new (region_bytes, std::align_val_t{huge_page_bytes});
    regions_.push_back(region);
    // Only a hint: without huge pages everything works, more slowly.
    (void)::madvise(region, region_bytes, MADV_HUGEPAGE);
    run_begin_ = static_cast<std::byte*>(region);
    run_end_ = run_begin_ + region_bytes;
    reserved_bytes_.fetch_add(region_bytes, std::memory_order_relaxed);
  }
  auto* at = run_begin_;
  run_begin_ += run_bytes;
  // In order of address, so that neighbours in time are neighbours in memory.
  free_block** last = &free_[kind];
  for (auto left = run_bytes; left >= block_bytes; left -= block_bytes) {
    auto* block = reinterpret_cast<free_block*>(at);
    *last = block;
    last = &block->next;
    at += block_bytes;
  }
  *last = nullptr;
}

/// One thread changes the count, so that it needs no locked instruction.
void block_arena::count(std::int64_t used) noexcept {
  used_bytes_.store(used_bytes_.load(std::memory_order_relaxed)
                      + static_cast<std::uint64_t>(used),
                    std::memory_order_relaxed);
}

} // namespace neuroplex::concepts
