// Counts of shared values that were scribbled over, or stand below zero.
#include "memory/dedup_fixture.test.hpp"

#include <cstddef>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;
using detail::store_impl;

namespace {

const std::string shared_page = bytes_of(5000, 1);

/// The stamp of the record of the only content.
auto& count_of_only_content(const sharing_segment& s) {
  auto& impl = store_impl::of(s.db);
  auto contents =
    impl.arena().name_record(detail::number(s.ns)).contents.load();
  basic_index<native_sync>::block_type* found = nullptr;
  for (std::uint64_t line = 0; line < impl.shape().lines(0); ++line)
    impl.engine().index().visit_line({.line = line}, [&](const auto& where) {
      if (where.fields.ns() == contents && where.fields.counted())
        found = where.block;
      return true;
    });
  REQUIRE(found != nullptr);
  return found->link;
}

} // namespace

TEST_CASE("a count that was scribbled over is mended, and costs no writer a "
          "wait",
          "[dedup]") {
  sharing_segment s;
  auto& impl = store_impl::of(s.db);
  REQUIRE(s.db.set(s.ns, "a", shared_page) == errc::ok);
  REQUIRE(s.db.set(s.ns, "b", shared_page) == errc::ok);
  auto& count = count_of_only_content(s);
  REQUIRE(count.load() == reference_count::stamp_of(2));
  // No count; and none, as of a content on its way out.
  auto scribbled = GENERATE(0x1234U, 0U);
  count.store(scribbled);
  // Others' values go elsewhere meanwhile, and nothing is freed.
  CHECK(s.db.set(s.ns, "c", shared_page) == errc::ok);
  CHECK(s.db.erase(s.ns, "b") == errc::ok);
  CHECK(count.load() == scribbled);
  CHECK(value_of(s.db, "a", s.ns) == shared_page);
  CHECK(impl.arena().control().contents_in_doubt.load() != 0);
  REQUIRE(s.db.recover());
  CHECK(impl.arena().control().contents_in_doubt.load() == 0);
  CHECK(count.load() == reference_count::stamp_of(1));
  CHECK(shared_census{s.db}.exact());
  CHECK(s.db.erase(s.ns, "a") == errc::ok);
  CHECK(value_of(s.db, "c", s.ns) == shared_page);
  CHECK(shared_census{s.db}.exact());
}

TEST_CASE("a record that its key does not lead to keeps no count in doubt",
          "[dedup]") {
  sharing_segment s;
  auto& impl = store_impl::of(s.db);
  REQUIRE(s.db.set(s.ns, "a", shared_page) == errc::ok);
  auto& count = count_of_only_content(s);
  // The first byte of its key.
  auto* header = reinterpret_cast<std::byte*>(&count)
                 - offsetof(layout::block_header<native_sync>, link);
  header[sizeof(layout::block_header<native_sync>)] ^= std::byte{1};
  count.store(reference_count::stamp_of(5));
  impl.arena().control().contents_in_doubt.store(1);
  REQUIRE(s.db.recover());
  CHECK(impl.arena().control().contents_in_doubt.load() == 0);
  CHECK(value_of(s.db, "a", s.ns) == shared_page);
}

TEST_CASE("counts of bytes below zero refuse nobody and evict nothing",
          "[dedup]") {
  auto policy = GENERATE(policy_kind::noeviction, policy_kind::lru);
  sharing_segment s{{.segment_bytes = 8 * mebibyte},
                    {.policy = policy, .quota_bytes = 200 * kibibyte}};
  auto& record = store_impl::of(s.db).arena().name_record(detail::number(s.ns));
  REQUIRE(s.db.set(s.ns, "first", "x") == errc::ok);
  // As others leave them who add after it was taken away.
  record.block_bytes.fetch_sub(64 * kibibyte);
  CHECK(s.db.set(s.ns, "short", "x") == errc::ok);
  CHECK(s.db.set(s.ns, "shared", shared_page) == errc::ok);
  std::size_t length = 0;
  CHECK(s.db.append(s.ns, "short", "y", length) == errc::ok);
  record.block_bytes.fetch_add(64 * kibibyte);
  CHECK(value_of(s.db, "first", s.ns) == "x");
  CHECK(value_of(s.db, "short", s.ns) == "xy");
  CHECK(value_of(s.db, "shared", s.ns) == shared_page);
}
