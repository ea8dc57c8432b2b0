#include "storage/concept/block_arena.hpp"

#include <algorithm>
#include <bit>
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

/// Sizes of large blocks of a source: four from a power of two to the next.
std::size_t source_size(std::size_t bytes) noexcept {
  constexpr std::size_t steps = 4;
  auto step = std::bit_floor(bytes) / steps;
  return (bytes + step - 1) / step * step;
}

} // namespace

block_arena::~block_arena() {
  if (source_ == nullptr)
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
  if (is_large(bytes))
    return take_large(bytes);
  auto kind = (bytes + step_bytes - 1) / step_bytes;
  auto& free = free_[kind];
  if (free.empty())
    refill(kind, kind * step_bytes);
  auto* block = free.back();
  free.pop_back();
  // Those that come soon are written, and were perhaps not used for long.
  constexpr std::size_t ahead = 4;
  if (free.size() >= ahead) {
    constexpr std::size_t line_bytes = 64;
    constexpr std::size_t most_bytes = 4 * line_bytes;
    auto* soon = static_cast<std::byte*>(free[free.size() - ahead]);
    for (std::size_t at = 0; at < std::min(bytes, most_bytes); at += line_bytes)
      __builtin_prefetch(soon + at, 1);
  }
  return block;
}

void block_arena::give(void* block, std::size_t bytes) noexcept {
  count(-static_cast<std::int64_t>(bytes));
  if (is_large(bytes)) {
    if (source_ != nullptr)
      return free_large_[source_size(bytes)].push_back(block);
    auto* head = reinterpret_cast<large_block*>(static_cast<std::byte*>(block)
                                                - large_head_bytes);
    (head->previous == nullptr ? large_ : head->previous->next) = head->next;
    if (head->next != nullptr)
      head->next->previous = head->previous;
    reserved_bytes_.fetch_sub(head->bytes, std::memory_order_relaxed);
    ::operator delete(head, line);
    return;
  }
  free_[(bytes + step_bytes - 1) / step_bytes].push_back(block);
}

bool block_arena::is_large(std::size_t bytes) const noexcept {
  return bytes > largest_step || (!keeps_blocks && source_ == nullptr);
}

void* block_arena::take_large_from_source(std::size_t bytes) {
  auto size = source_size(bytes);
  auto& free = free_large_[size];
  if (free.empty()) {
    auto taken = std::max(size, run_bytes);
    auto* begin = static_cast<std::byte*>(
      source_->take(taken, static_cast<std::size_t>(line)));
    reserved_bytes_.fetch_add(taken, std::memory_order_relaxed);
    for (auto left = taken / size; left-- > 0;)
      free.push_back(begin + left * size);
  }
  auto* block = free.back();
  free.pop_back();
  return block;
}

void* block_arena::take_large(std::size_t bytes) {
  if (source_ != nullptr)
    return take_large_from_source(bytes);
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
      source_ == nullptr
        ? ::operator new (region_bytes, std::align_val_t{huge_page_bytes})
        : source_->take(region_bytes, huge_page_bytes);
    regions_.push_back(region);
    // Only a hint: without huge pages everything works, more slowly.
    (void)::madvise(region, region_bytes, MADV_HUGEPAGE);
    run_begin_ = static_cast<std::byte*>(region);
    run_end_ = run_begin_ + region_bytes;
    reserved_bytes_.fetch_add(region_bytes, std::memory_order_relaxed);
  }
  auto* begin = run_begin_;
  run_begin_ += run_bytes;
  // The lowest is taken first, so that neighbours in time are neighbours in
  // memory.
  for (auto left = run_bytes / block_bytes; left-- > 0;)
    free_[kind].push_back(begin + left * block_bytes);
}

/// One thread changes the count, so that it needs no locked instruction.
void block_arena::count(std::int64_t used) noexcept {
  used_bytes_.store(used_bytes_.load(std::memory_order_relaxed)
                      + static_cast<std::uint64_t>(used),
                    std::memory_order_relaxed);
}

} // namespace neuroplex::concepts
