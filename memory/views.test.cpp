#include "memory/fixture.test.hpp"

#include <array>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("a view shows the bytes in place", "[views]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "in place") == errc::ok);
  value_view view;
  CHECK(view.bytes().empty());
  CHECK(s.db.view(default_ns, "absent", view) == errc::not_found);
  REQUIRE(s.db.view(default_ns, "k", view) == errc::ok);
  CHECK(view.bytes() == "in place");
  entry_info info;
  REQUIRE(s.db.info(default_ns, "k", info) == errc::ok);
  CHECK(view.version() == info.version);
  value_view moved{std::move(view)};
  CHECK(moved.bytes() == "in place");
  CHECK(view.bytes().empty()); // NOLINT(bugprone-use-after-move)
  view = std::move(moved);
  CHECK(view.bytes() == "in place");
  view.release();
  CHECK(view.bytes().empty());
  view.release();
}

TEST_CASE("a thread holds six views and not one more", "[views][limits]") {
  segment s;
  REQUIRE(s.db.set(default_ns, "k", "v") == errc::ok);
  std::array<value_view, limits::max_views_per_thread> views;
  for (int round = 0; round < 3; ++round) {
    for (auto& view : views)
      REQUIRE(s.db.view(default_ns, "k", view) == errc::ok);
    value_view one_more;
    CHECK(s.db.view(default_ns, "k", one_more) == errc::too_many);
    // Looking again through a view that is held takes no further one.
    CHECK(s.db.view(default_ns, "k", views[2]) == errc::ok);
    views[3].release();
    CHECK(s.db.view(default_ns, "k", one_more) == errc::ok);
    one_more.release();
    for (auto& view : views)
      view.release();
  }
  // A view of an absent key takes none.
  for (int i = 0; i < 20; ++i) {
    value_view none;
    CHECK(s.db.view(default_ns, "absent", none) == errc::not_found);
  }
}

TEST_CASE("a view stays whole while its entry is replaced and erased",
          "[views]") {
  auto size = GENERATE(10U, 1000U, 5000U, 100'000U);
  CAPTURE(size);
  segment s;
  auto other = s.attach();
  auto value = bytes_of(size, 1);
  REQUIRE(s.db.set(default_ns, "k", value) == errc::ok);
  value_view view;
  REQUIRE(other.view(default_ns, "k", view) == errc::ok);
  auto rounds = scaled(size > 10'000 ? 10'000 : 100'000);
  auto filler = std::string(size, 'x');
  for (std::size_t i = 0; i < rounds; ++i) {
    REQUIRE(s.db.set(default_ns, "k", filler) == errc::ok);
    if (i % 100 == 0)
      REQUIRE(s.db.erase(default_ns, "k") == errc::ok);
  }
  CHECK((view.bytes() == value));
  view.release();
  // What the view kept back is used again.
  auto used = s.db.stats().pool_used_bytes;
  for (std::size_t i = 0; i < 1000; ++i)
    REQUIRE(s.db.set(default_ns, "k", filler) == errc::ok);
  CHECK(s.db.stats().pool_used_bytes <= used + mebibyte);
}
