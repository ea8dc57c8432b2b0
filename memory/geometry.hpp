// Where everything lies in a segment, computed once from its header and never
// read from the segment again. A process keeps its own copy, so whatever is
// scribbled over the file later, no offset leaves the mapping.
#pragma once

#include "memory/layout.hpp"
#include "memory/status.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <string>

namespace neuroplex::memory {

struct segment_options;

/// Block sizes: steps of 16 bytes up to 1 KiB, then 16 per doubling (6.25 %),
/// up to four pages. Larger blocks take whole pages.
class size_classes {
public:
  size_classes() = default;
  /// Blocks begin at multiples of `granule_bytes` (16 or 32).
  size_classes(std::uint64_t page_bytes, std::uint64_t granule_bytes);

  [[nodiscard]] unsigned count() const noexcept {
    return count_;
  }

  [[nodiscard]] std::uint64_t largest() const noexcept {
    return largest_;
  }

  /// Class of a block of `bytes` (1 to largest()).
  [[nodiscard]] unsigned class_of(std::uint64_t bytes) const noexcept {
    bytes = (bytes + granule_bytes_ - 1) & ~(granule_bytes_ - 1);
    if (bytes <= small_limit)
      return bytes <= layout::min_block_bytes
               ? 0
               : static_cast<unsigned>(bytes - layout::min_block_bytes
                                       + layout::small_class_step - 1)
                   / layout::small_class_step;
    constexpr unsigned small_classes =
      (small_limit - layout::min_block_bytes) / layout::small_class_step + 1;
    auto doubling = static_cast<unsigned>(std::bit_width(bytes - 1))
                    - static_cast<unsigned>(std::bit_width(small_limit));
    auto base = small_limit << doubling;
    auto step = base / classes_per_doubling;
    auto in_doubling = (bytes - base + step - 1) / step; // 1 to 16
    return small_classes + doubling * unsigned{classes_per_doubling}
           + static_cast<unsigned>(in_doubling) - 1;
  }

  [[nodiscard]] std::uint64_t bytes_of(unsigned size_class) const noexcept {
    return classes_[size_class].block_bytes;
  }

  [[nodiscard]] std::uint32_t pages_of(unsigned size_class) const noexcept {
    return classes_[size_class].span_pages;
  }

  [[nodiscard]] std::uint32_t blocks_of(unsigned size_class) const noexcept {
    return classes_[size_class].block_count;
  }

  [[nodiscard]] std::uint32_t
  first_block_of(unsigned size_class) const noexcept {
    return classes_[size_class].first_block;
  }

  /// Number of the block that begins `offset` bytes into its span, or ~0u when
  /// none begins there.
  [[nodiscard]] std::uint32_t block_number(unsigned size_class,
                                           std::uint64_t offset) const noexcept;

private:
  static constexpr std::uint64_t small_limit = 1024;
  static constexpr std::uint64_t classes_per_doubling = 16;

  struct row {
    std::uint32_t block_bytes = 0;
    std::uint32_t span_pages = 0;
    std::uint32_t block_count = 0;
    std::uint32_t first_block = 0; ///< bytes before it: the bitmap, or none
  };

  std::array<row, layout::max_classes> classes_{};
  unsigned count_ = 0;
  std::uint64_t largest_ = 0;
  std::uint64_t granule_bytes_ = 16;
};

/// What the kernel maps by one entry where it can.
inline constexpr std::uint64_t huge_page = std::uint64_t{2} << 20;

/// Bytes before the block of a large span.
inline constexpr std::uint64_t large_block_offset = 16;

struct geometry {
  std::uint64_t file_bytes = 0;
  std::uint64_t participants_offset = 0;
  std::uint64_t threads_offset = 0;
  std::uint64_t thread_slot_bytes = 0;
  std::uint64_t backup_offset = 0;
  std::uint64_t index_offset = 0;
  std::uint64_t ghosts_offset = 0;
  std::uint64_t directory_offset = 0;
  std::uint64_t pool_offset = 0;
  std::uint64_t page_bytes = 0;
  std::uint64_t granule_bytes = 0;
  std::uint64_t base_lines = 0;
  std::uint64_t max_value_bytes = 0;
  std::uint32_t initial_pages = 0;
  std::uint32_t reserved_pages = 0;
  std::uint32_t backup_regions = 0;
  unsigned page_shift = 0;
  unsigned granule_shift = 0;
  unsigned participant_count = 0;
  unsigned thread_count = 0;
  unsigned index_levels = 0;
  size_classes classes;

  [[nodiscard]] std::uint64_t lines(unsigned level) const noexcept {
    return base_lines << level;
  }

  /// Offset of the table of a level; level k follows all smaller ones.
  [[nodiscard]] std::uint64_t table_offset(unsigned level) const noexcept {
    return index_offset
           + base_lines * ((std::uint64_t{1} << level) - 1)
               * layout::line_bytes;
  }

  /// How many ghosts (ghosts.hpp) go with the index at `level`, as a power of
  /// two: about as many as it can hold entries.
  [[nodiscard]] unsigned ghost_bits(unsigned level) const noexcept {
    return static_cast<unsigned>(
             std::bit_width(lines(level) * layout::slots_per_line))
           - 1;
  }

  /// Bytes in use once the index has reached `level` and the pool `pages`,
  /// ghosts left out.
  [[nodiscard]] std::uint64_t
  committed_bytes(unsigned level, std::uint32_t pages) const noexcept {
    return table_offset(level + 1) + (pool_offset - directory_offset)
           + std::uint64_t{pages} * page_bytes;
  }
};

/// Header of a new segment. `config` with the field named when the options
/// contradict one another.
expected<layout::header> plan_segment(const segment_options& options,
                                      std::uint64_t creation_id);

/// Checksum that `header::checksum` must hold.
std::uint64_t header_checksum(const layout::header& header) noexcept;

/// Checks a header read from a file of `file_bytes` and computes where
/// everything lies. `corrupt`, `version`, `segment_size`; `path` is for the
/// message.
expected<geometry> read_geometry(const layout::header& header,
                                 std::uint64_t file_bytes,
                                 const std::string& path);

} // namespace neuroplex::memory
