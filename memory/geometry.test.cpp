#include "memory/geometry.hpp"

#include "memory/store.hpp"

#include <random>

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::memory;

TEST_CASE("every length has a class that holds it with little to spare",
          "[geometry]") {
  auto page_shift = GENERATE(12U, 13U, 14U, 15U, 16U);
  auto granule = GENERATE(std::uint64_t{16}, std::uint64_t{32});
  CAPTURE(page_shift, granule);
  auto page = std::uint64_t{1} << page_shift;
  size_classes classes{page, granule};
  REQUIRE(classes.count() <= layout::max_classes);
  REQUIRE(classes.largest() == 4 * page);
  for (std::uint64_t bytes = 1; bytes <= classes.largest(); ++bytes) {
    auto found = classes.class_of(bytes);
    auto block = found < classes.count() ? classes.bytes_of(found) : 0;
    // A smaller class would do only if its blocks cannot begin at granules.
    auto tight = block <= layout::min_block_bytes
                 || block <= bytes + 2 * granule
                 || block <= bytes + bytes / 16 + granule;
    if (block < bytes || !tight || block % granule != 0) {
      CAPTURE(bytes, found, block);
      FAIL("no class fits");
    }
  }
}

TEST_CASE("blocks of a span lie apart, aligned, behind the bitmap",
          "[geometry]") {
  auto page_shift = GENERATE(12U, 16U);
  size_classes classes{std::uint64_t{1} << page_shift, 16};
  for (unsigned c = 0; c < classes.count(); ++c) {
    CAPTURE(c);
    auto count = classes.blocks_of(c);
    auto bytes = classes.bytes_of(c);
    auto first = classes.first_block_of(c);
    REQUIRE(count > 0);
    REQUIRE(first
            >= (count <= layout::bits_in_record ? 0 : (count + 63) / 64 * 8));
    REQUIRE(first % 32 == 0);
    REQUIRE(first + count * bytes <= std::uint64_t{classes.pages_of(c)}
                                       << page_shift);
    CHECK(classes.block_number(c, first) == 0);
    CHECK(classes.block_number(c, first + (count - 1) * bytes) == count - 1);
    CHECK(classes.block_number(c, first + count * bytes) == ~0U);
    CHECK(classes.block_number(c, first + 1) == ~0U);
    CHECK(classes.block_number(c, 0) == (first == 0 ? 0 : ~0U));
  }
}

TEST_CASE("what a header with a right checksum says is refused or harmless",
          "[geometry]") {
  auto planned = plan_segment({.segment_bytes = std::uint64_t{8} << 20}, 1);
  REQUIRE(planned);
  std::mt19937_64 random{20};
  // Values that are near a limit, far beyond it, or anything.
  auto odd = [&](auto& field) {
    using type = std::remove_reference_t<decltype(field)>;
    switch (random() % 4) {
      case 0:
        field = static_cast<type>(field + random() % 5 - 2);
        break;
      case 1:
        field = static_cast<type>(~type{0} - random() % 3);
        break;
      case 2:
        field = static_cast<type>(random() % 3);
        break;
      default:
        field = static_cast<type>(random());
    }
  };
  unsigned accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    auto header = *planned;
    for (auto changes = random() % 3 + 1; changes > 0; --changes)
      switch (random() % 8) {
        case 0:
          odd(header.page_shift);
          break;
        case 1:
          odd(header.granule_shift);
          break;
        case 2:
          odd(header.participant_count);
          break;
        case 3:
          odd(header.thread_count);
          break;
        case 4:
          odd(header.base_lines);
          break;
        case 5:
          odd(header.index_levels);
          break;
        case 6:
          odd(header.initial_pages);
          break;
        default:
          odd(header.reserved_pages);
      }
    header.checksum = header_checksum(header);
    auto shape = read_geometry(header, ~std::uint64_t{0}, "p");
    if (!shape)
      continue;
    ++accepted;
    bool ordered = layout::namespaces_offset < shape->participants_offset
                   && shape->participants_offset < shape->threads_offset
                   && shape->threads_offset < shape->index_offset
                   && shape->index_offset < shape->directory_offset
                   && shape->directory_offset < shape->pool_offset
                   && shape->pool_offset < shape->file_bytes;
    bool in_file =
      shape->table_offset(shape->index_levels) <= shape->directory_offset
      && shape->directory_offset
             + shape->reserved_pages * sizeof(layout::page_record<native_sync>)
           <= shape->pool_offset
      && shape->pool_offset + shape->reserved_pages * shape->page_bytes
           <= shape->file_bytes;
    bool nameable =
      shape->file_bytes >> shape->granule_shift < layout::slot_frozen
      && shape->lines(shape->index_levels - 1) < std::uint64_t{1} << 32;
    if (!ordered || !in_file || !nameable) {
      CAPTURE(i);
      FAIL("an offset leaves its place");
    }
    // The same header before a file of another length says so.
    CHECK_FALSE(read_geometry(header, shape->file_bytes + 4096, "p"));
  }
  CHECK(accepted > 1000);
}
