#include "memory/geometry.hpp"

#include "memory/hash.hpp"
#include "memory/store.hpp"

#include <algorithm>
#include <bit>

namespace neuroplex::memory {

namespace {

constexpr std::uint64_t file_page = 4096;
constexpr std::uint32_t max_span_pages = 32;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct span_shape {
  std::uint32_t first_block = 0;
  std::uint32_t block_count = 0;
};

// The most blocks that fit, with a bitmap for them in front where they are too
// many for the page record. Blocks begin at a multiple of 32, the largest
// granule.
span_shape shape_of(std::uint64_t span_bytes, std::uint64_t block_bytes) {
  std::uint64_t count = span_bytes / block_bytes;
  while (count > 0) {
    std::uint64_t bitmap =
      count <= layout::bits_in_record ? 0 : round_up((count + 63) / 64 * 8, 32);
    if (bitmap + count * block_bytes <= span_bytes)
      return {static_cast<std::uint32_t>(bitmap),
              static_cast<std::uint32_t>(count)};
    --count;
  }
  return {};
}

failure bad_header(errc code, const std::string& path, std::string_view what) {
  return {code, "segment " + path + ": " + std::string{what}};
}

} // namespace

size_classes::size_classes(std::uint64_t page_bytes,
                           std::uint64_t granule_bytes)
  : granule_bytes_{granule_bytes} {
  auto add = [&](std::uint64_t block_bytes) {
    // Take as few pages as leave at most 1/32 of the span unused.
    row best;
    std::uint64_t best_waste = ~std::uint64_t{0};
    for (std::uint32_t pages = 1; pages <= max_span_pages; ++pages) {
      auto span_bytes = pages * page_bytes;
      auto shape = shape_of(span_bytes, block_bytes);
      if (shape.block_count == 0)
        continue;
      auto waste =
        (span_bytes - shape.block_count * block_bytes) * 1024 / span_bytes;
      if (waste < best_waste) {
        best_waste = waste;
        best = {static_cast<std::uint32_t>(block_bytes), pages,
                shape.block_count, shape.first_block};
      }
      constexpr std::uint64_t good_enough = 1024 / 32;
      if (waste <= good_enough)
        break;
    }
    classes_[count_++] = best;
    largest_ = block_bytes;
  };
  for (auto bytes = layout::min_block_bytes; bytes <= small_limit;
       bytes += layout::small_class_step)
    add(bytes);
  for (auto base = small_limit; base < 4 * page_bytes; base *= 2)
    for (std::uint64_t i = 1; i <= classes_per_doubling; ++i)
      add(base + base / classes_per_doubling * i);
}

std::uint32_t size_classes::block_number(unsigned size_class,
                                         std::uint64_t offset) const noexcept {
  const auto& shape = classes_[size_class];
  if (offset < shape.first_block || shape.block_bytes == 0)
    return ~0U;
  auto distance = offset - shape.first_block;
  auto number = distance / shape.block_bytes;
  if (number >= shape.block_count || distance % shape.block_bytes != 0)
    return ~0U;
  return static_cast<std::uint32_t>(number);
}

std::uint64_t header_checksum(const layout::header& header) noexcept {
  return XXH3_64bits(&header, offsetof(layout::header, checksum));
}

expected<layout::header> plan_segment(const segment_options& options,
                                      std::uint64_t creation_id) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  auto segment = round_up(options.segment_bytes, file_page);
  auto reserved =
    std::max(segment, round_up(options.reserved_bytes, file_page));
  auto small = segment < 4 * mebibyte;
  auto large = reserved >= gibibyte;
  layout::header result{};
  result.magic = layout::magic;
  result.version = layout::version;
  result.byte_order_mark = layout::byte_order_mark;
  auto page = std::clamp(std::bit_floor(segment / 8192), file_page,
                         std::uint64_t{64} << 10);
  result.page_shift = static_cast<std::uint8_t>(std::countr_zero(page));
  result.granule_shift = reserved > 24 * gibibyte ? 5 : 4;
  result.participant_count = small ? 16 : (large ? 128 : 64);
  result.thread_count = small ? 32 : (large ? 512 : 128);
  // Lines: as asked for, or for the entries named, or one for 4 KiB (the seed's
  // 16,384 for its 64 MiB).
  constexpr std::uint64_t bytes_a_line = 4096;
  auto lines = options.bucket_count;
  if (lines == 0 && options.max_entries != 0)
    lines = options.max_entries / 9 + 1; // 12 slots at three quarters
  if (lines == 0)
    lines = segment / bytes_a_line;
  lines = round_up(lines, layout::lines_per_group);
  result.base_lines = static_cast<std::uint32_t>(lines);
  // Levels until even a pool full of the smallest blocks would fit.
  auto most_lines = reserved / layout::min_block_bytes / 9 + lines;
  while (result.index_levels + 1U < layout::max_index_levels
         && (lines << result.index_levels) < most_lines)
    ++result.index_levels;
  ++result.index_levels;
  // What is left after the fixed parts is the pool.
  result.initial_pages = 1;
  result.reserved_pages = static_cast<std::uint32_t>(reserved / page);
  result.checksum = header_checksum(result);
  auto probe = read_geometry(result, ~std::uint64_t{0}, "(new)");
  if (!probe)
    return probe.error();
  auto fixed = probe->committed_bytes(0, 0);
  if (fixed + 16 * page > segment)
    return failure{errc::config,
                   "segment_bytes: " + std::to_string(options.segment_bytes)
                     + ": index and records alone need " + std::to_string(fixed)
                     + " bytes; make it larger or bucket_count smaller"};
  result.initial_pages = static_cast<std::uint32_t>((segment - fixed) / page);
  result.reserved_pages = static_cast<std::uint32_t>(
    std::max((reserved - fixed) / page, std::uint64_t{result.initial_pages}));
  result.creation_id = creation_id;
  result.checksum = header_checksum(result);
  auto shape = read_geometry(result, ~std::uint64_t{0}, "(new)");
  if (!shape)
    return shape.error();
  result.file_bytes =
    shape->pool_offset + std::uint64_t{result.reserved_pages} * page;
  result.checksum = header_checksum(result);
  return result;
}

expected<geometry> read_geometry(const layout::header& header,
                                 std::uint64_t file_bytes,
                                 const std::string& path) {
  if (header.magic == __builtin_bswap32(layout::magic))
    return bad_header(errc::corrupt, path,
                      "written on a machine of the other byte order");
  if (header.magic != layout::magic)
    return bad_header(errc::corrupt, path,
                      "no segment: magic number wrong; check the path");
  if (header.version != layout::version)
    return bad_header(errc::version, path,
                      "layout version " + std::to_string(header.version)
                        + ", this program knows "
                        + std::to_string(layout::version)
                        + (header.version < layout::version
                             ? ": open it with the older release that wrote "
                               "it, or remove it and fill a new one"
                             : ": open it with the newer release that wrote "
                               "it"));
  if (header.checksum != header_checksum(header))
    return bad_header(errc::corrupt, path, "header checksum wrong");
  if (header.byte_order_mark != layout::byte_order_mark)
    return bad_header(errc::corrupt, path, "byte order mark wrong");
  geometry g;
  auto bad = [&](std::string_view what) {
    return bad_header(errc::corrupt, path,
                      "geometry impossible: " + std::string{what});
  };
  if (header.page_shift < 12 || header.page_shift > 16)
    return bad("page size");
  if (header.granule_shift < 4 || header.granule_shift > 5)
    return bad("granule size");
  if (header.participant_count == 0 || header.thread_count == 0
      || header.thread_count > layout::max_thread_slots)
    return bad("participants");
  if (header.base_lines == 0
      || header.base_lines % layout::lines_per_group != 0)
    return bad("index lines");
  if (header.index_levels == 0
      || header.index_levels > layout::max_index_levels)
    return bad("index levels");
  if (header.reserved_pages < header.initial_pages || header.initial_pages == 0)
    return bad("pool pages");
  g.page_shift = header.page_shift;
  g.page_bytes = std::uint64_t{1} << g.page_shift;
  g.granule_shift = header.granule_shift;
  g.granule_bytes = std::uint64_t{1} << g.granule_shift;
  g.participant_count = header.participant_count;
  g.thread_count = header.thread_count;
  g.base_lines = header.base_lines;
  g.index_levels = header.index_levels;
  g.initial_pages = header.initial_pages;
  g.reserved_pages = header.reserved_pages;
  g.classes = size_classes{g.page_bytes, g.granule_bytes};
  g.thread_slot_bytes =
    round_up(sizeof(layout::thread_slot<native_sync>)
               + g.classes.count() * sizeof(layout::magazine<native_sync>),
             layout::line_bytes);
  g.participants_offset =
    layout::namespaces_offset
    + limits::max_namespaces * sizeof(layout::namespace_record<native_sync>);
  g.threads_offset =
    g.participants_offset
    + g.participant_count * sizeof(layout::participant<native_sync>);
  g.backup_offset = g.threads_offset + g.thread_count * g.thread_slot_bytes;
  // One region a line of the first table: what changes together with an entry
  // is written out together with it.
  g.backup_regions = std::min(header.base_lines, layout::max_backup_regions);
  g.index_offset =
    round_up(g.backup_offset + sizeof(layout::backup_record<native_sync>)
               + g.backup_regions,
             file_page);
  // base_lines < 2^32, levels <= 24 and a line has 2^6 bytes: below 2^62.
  g.ghosts_offset = round_up(g.table_offset(g.index_levels), file_page);
  auto ghost_bytes = sizeof(std::uint32_t) << g.ghost_bits(g.index_levels - 1);
  g.directory_offset = round_up(g.ghosts_offset + ghost_bytes, file_page);
  auto directory_bytes =
    std::uint64_t{g.reserved_pages} * sizeof(layout::page_record<native_sync>);
  g.pool_offset = round_up(
    g.directory_offset + directory_bytes,
    g.reserved_pages * g.page_bytes >= 64 * mebibyte ? huge_page : file_page);
  std::uint64_t pool_bytes = 0;
  if (__builtin_mul_overflow(std::uint64_t{g.reserved_pages}, g.page_bytes,
                             &pool_bytes)
      || __builtin_add_overflow(g.pool_offset, pool_bytes, &g.file_bytes))
    return bad("sizes overflow");
  if (g.file_bytes >> g.granule_shift >= layout::slot_frozen)
    return bad("larger than its granules can name");
  g.max_value_bytes = std::min<std::uint64_t>(
    limits::max_value_bytes, g.initial_pages * g.page_bytes / 4);
  if (file_bytes != ~std::uint64_t{0}
      && (header.file_bytes != g.file_bytes || file_bytes != g.file_bytes))
    return bad_header(errc::segment_size, path,
                      "file has " + std::to_string(file_bytes)
                        + " bytes, its header says "
                        + std::to_string(g.file_bytes));
  return g;
}

} // namespace neuroplex::memory
