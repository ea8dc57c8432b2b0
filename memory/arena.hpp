// Typed access to the structures of a mapped segment.
//
// Purpose: the one place where an offset becomes an address. Accessors that
// take a number from the segment itself (a granule) check it; those that take a
// number the caller computed from the geometry do not.
//
// Threads: immutable after construction; shared freely.
#pragma once

#include "memory/geometry.hpp"
#include "memory/layout.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace neuroplex::memory {

/// Number of no page of the pool.
inline constexpr std::uint32_t no_page = ~std::uint32_t{0};

template <class Sync>
class basic_arena {
public:
  using control_type = layout::control<Sync>;
  using line_type = layout::line<Sync>;
  using thread_type = layout::thread_slot<Sync>;
  using block_type = layout::block_header<Sync>;
  using page_type = layout::page_record<Sync>;
  using namespace_type = layout::namespace_record<Sync>;
  using participant_type = layout::participant<Sync>;
  using backup_type = layout::backup_record<Sync>;
  using mark_type = typename Sync::template atomic<std::uint8_t>;
  using ghost_type = typename Sync::template atomic<std::uint32_t>;

  /// What a reader of a usual entry may read without asking where the file
  /// ends.
  static constexpr std::uint64_t usual_room_bytes = 1024;

  basic_arena(std::byte* base, const geometry& shape) noexcept
    : base_{base}, end_{base + shape.file_bytes}, shape_{shape} {
    marks_ = at<mark_type>(shape.backup_offset + sizeof(backup_type));
    granule_begin_ =
      static_cast<std::uint32_t>(shape.pool_offset >> shape.granule_shift);
    granule_count_ = granules_with(layout::min_block_bytes) - granule_begin_;
    for (unsigned level = 0; level < shape.index_levels; ++level)
      tables_[level] = {at<line_type>(shape.table_offset(level)),
                        shape.lines(level)};
  }

  [[nodiscard]] const geometry& shape() const noexcept {
    return shape_;
  }

  [[nodiscard]] control_type& control() const noexcept {
    return *at<control_type>(layout::control_offset);
  }

  [[nodiscard]] namespace_type& name_record(unsigned index) const noexcept {
    return at<namespace_type>(layout::namespaces_offset)[index];
  }

  [[nodiscard]] participant_type& participant(unsigned index) const noexcept {
    return at<participant_type>(shape_.participants_offset)[index];
  }

  [[nodiscard]] thread_type& thread(unsigned index) const noexcept {
    return *at<thread_type>(shape_.threads_offset
                            + index * shape_.thread_slot_bytes);
  }

  [[nodiscard]] backup_type& backup() const noexcept {
    return *at<backup_type>(shape_.backup_offset);
  }

  /// Whether backup region `region` was changed; see backup_marks.hpp.
  [[nodiscard]] mark_type& mark(std::uint32_t region) const noexcept {
    return marks_[region];
  }

  /// A ghost; `index` is below 2^(shape().ghost_bits of the largest level).
  [[nodiscard]] ghost_type& ghost(std::uint32_t index) const noexcept {
    return at<ghost_type>(shape_.ghosts_offset)[index];
  }

  [[nodiscard]] page_type& page(std::uint32_t index) const noexcept {
    return at<page_type>(shape_.directory_offset)[index];
  }

  /// Line `index` of the table of `level`.
  [[nodiscard]] line_type& line(unsigned level,
                                std::uint64_t index) const noexcept {
    return tables_[level].lines[index];
  }

  /// Number of lines in the table of `level`.
  [[nodiscard]] std::uint64_t lines(unsigned level) const noexcept {
    return tables_[level].count;
  }

  /// The table's level as the segment says it now, made harmless.
  [[nodiscard]] unsigned level_of(std::uint32_t index_state) const noexcept {
    auto level = index_state & layout::index_level_mask;
    return level < shape_.index_levels ? level : shape_.index_levels - 1;
  }

  /// Pages of the pool that are there, as the segment says it now, made
  /// harmless: every segment has one at least.
  [[nodiscard]] std::uint32_t committed_pages() const noexcept {
    auto pages = control().committed_pages.load(std::memory_order_acquire);
    return std::clamp(pages, std::uint32_t{1}, shape_.reserved_pages);
  }

  /// Block of a granule, or null when it lies outside the pool.
  [[nodiscard]] block_type* block(std::uint32_t granule) const noexcept {
    return in_pool(granule) ? block_unchecked(granule) : nullptr;
  }

  [[nodiscard]] bool in_pool(std::uint32_t granule) const noexcept {
    return granule - granule_begin_ < granule_count_;
  }

  /// Block of a granule that `in_pool` accepted.
  [[nodiscard]] block_type*
  block_unchecked(std::uint32_t granule) const noexcept {
    // A multiplication is one step for the processor, a shift by a variable
    // amount three.
    return at<block_type>(granule * shape_.granule_bytes);
  }

  [[nodiscard]] std::uint32_t granule(const void* address) const noexcept {
    auto offset = static_cast<std::uint64_t>(
      static_cast<const std::byte*>(address) - base_);
    return static_cast<std::uint32_t>(offset >> shape_.granule_shift);
  }

  /// Number of granules of the file from which it goes on for `bytes`.
  [[nodiscard]] std::uint32_t
  granules_with(std::uint64_t bytes) const noexcept {
    return static_cast<std::uint32_t>(
      ((shape_.file_bytes - bytes) >> shape_.granule_shift) + 1);
  }

  [[nodiscard]] std::byte* base() const noexcept {
    return base_;
  }

  /// Where the file ends.
  [[nodiscard]] const std::byte* end() const noexcept {
    return end_;
  }

  /// Bytes from `address` to the end of the file.
  [[nodiscard]] std::uint64_t room_after(const void* address) const noexcept {
    return static_cast<std::uint64_t>(end_
                                      - static_cast<const std::byte*>(address));
  }

  [[nodiscard]] std::byte* page_address(std::uint32_t index) const noexcept {
    return base_ + shape_.pool_offset
           + (std::uint64_t{index} << shape_.page_shift);
  }

  /// Pool page that holds `granule` (which `block` accepted).
  [[nodiscard]] std::uint32_t page_of(std::uint32_t granule) const noexcept {
    auto offset =
      (std::uint64_t{granule} << shape_.granule_shift) - shape_.pool_offset;
    return static_cast<std::uint32_t>(offset >> shape_.page_shift);
  }

private:
  /// One index table: found by every operation, so not computed anew.
  struct table {
    line_type* lines;
    std::uint64_t count;
  };

  template <class T>
  [[nodiscard]] T* at(std::uint64_t offset) const noexcept {
    return reinterpret_cast<T*>(base_ + offset);
  }

  std::byte* base_;
  const std::byte* end_;
  geometry shape_;
  mark_type* marks_;
  std::uint32_t granule_begin_;
  std::uint32_t granule_count_;
  std::array<table, layout::max_index_levels> tables_{};
};

} // namespace neuroplex::memory
