// The segment of the museum: as small as it may be.
//
// Threads: a pure function.
#pragma once

#include "memory/geometry.hpp"
#include "tests/schedule/scheduler.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace neuroplex::museum {

/// `pages` of pool, and an index that begins with so many groups of lines and
/// can double once.
inline memory::geometry plan(std::uint32_t pages, std::uint32_t index_groups) {
  namespace layout = memory::layout;
  layout::header header{};
  header.magic = layout::magic;
  header.version = layout::version;
  header.byte_order_mark = layout::byte_order_mark;
  header.page_shift = 12;
  header.granule_shift = 4;
  header.participant_count = 1;
  header.base_lines = index_groups * layout::lines_per_group;
  header.initial_pages = pages;
  header.reserved_pages = pages;
  header.thread_count = schedule::max_threads;
  header.index_levels = 2;
  header.checksum = memory::header_checksum(header);
  auto shape = memory::read_geometry(
    header, std::numeric_limits<std::uint64_t>::max(), "(museum)");
  if (!shape) {
    std::fprintf(stderr, "museum: %s\n", shape.error().to_string().c_str());
    std::abort();
  }
  return *shape;
}

} // namespace neuroplex::museum
