#include "memory/fixture.test.hpp"

#include <set>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("the same key lives apart in each namespace", "[namespaces]") {
  segment s;
  auto red = s.db.open_namespace("red");
  auto blue = s.db.open_namespace("blue");
  REQUIRE(red);
  REQUIRE(blue);
  CHECK(*red != *blue);
  REQUIRE(s.db.set(*red, "k", "in red") == errc::ok);
  REQUIRE(s.db.set(*blue, "k", "in blue") == errc::ok);
  CHECK_FALSE(s.db.contains(default_ns, "k"));
  CHECK(value_of(s.db, "k", *red) == "in red");
  CHECK(value_of(s.db, "k", *blue) == "in blue");
  CHECK(*s.db.open_namespace("red") == *red);
  auto other = s.attach();
  CHECK(*other.find_namespace("red") == *red);
  CHECK(value_of(other, "k", *red) == "in red");
  std::uint64_t removed = 0;
  CHECK(s.db.clear(*red, removed) == errc::ok);
  CHECK(removed == 1);
  CHECK(value_of(s.db, "k", *blue) == "in blue");
}

TEST_CASE("a namespace name has 1 to 255 bytes", "[namespaces][limits]") {
  segment s;
  CHECK(s.db.open_namespace("").code() == errc::bad_namespace);
  CHECK(s.db.open_namespace(std::string(256, 'n')).code()
        == errc::bad_namespace);
  CHECK(s.db.open_namespace("n"));
  auto longest = s.db.open_namespace(std::string(255, 'n'));
  REQUIRE(longest);
  CHECK(*s.db.find_namespace(std::string(255, 'n')) == *longest);
  CHECK(s.db.find_namespace(std::string(254, 'n')).code() == errc::not_found);
  CHECK(s.db.find_namespace("").code() == errc::not_found);
  std::string odd{"a\0\n\xFF", 4};
  auto made = s.db.open_namespace(odd);
  REQUIRE(made);
  CHECK(*s.db.find_namespace(odd) == *made);
  CHECK(s.db.namespaces().size() == 4);
}

TEST_CASE("there are 256 namespaces and not one more", "[namespaces][limits]") {
  segment s;
  CHECK(*s.db.open_namespace("default") == default_ns);
  std::set<namespace_id> ids{default_ns};
  for (int i = 1; i < 256; ++i) {
    auto made = s.db.open_namespace("space" + std::to_string(i));
    REQUIRE(made);
    ids.insert(*made);
  }
  CHECK(ids.size() == 256);
  CHECK(s.db.open_namespace("one more").code() == errc::namespace_full);
  CHECK(s.db.open_namespace("space7"));
  REQUIRE(s.db.set(*s.db.find_namespace("space9"), "k", "v") == errc::ok);
  CHECK(s.db.drop_namespace("space9"));
  auto reused = s.db.open_namespace("one more");
  REQUIRE(reused);
  CHECK_FALSE(s.db.contains(*reused, "k"));
  CHECK(s.db.open_namespace("two more").code() == errc::namespace_full);
}

TEST_CASE("a dropped namespace answers bad_namespace to writers",
          "[namespaces]") {
  segment s;
  auto id = s.db.open_namespace("short-lived");
  REQUIRE(id);
  REQUIRE(s.db.set(*id, "k", "v") == errc::ok);
  CHECK(s.db.drop_namespace("short-lived"));
  CHECK(s.db.drop_namespace("short-lived").code() == errc::not_found);
  CHECK(s.db.find_namespace("short-lived").code() == errc::not_found);
  CHECK(s.db.set(*id, "k", "v") == errc::bad_namespace);
  CHECK(s.db.erase(*id, "k") == errc::bad_namespace);
  CHECK_FALSE(s.db.contains(*id, "k"));
  CHECK(s.db.drop_namespace("default").code() == errc::bad_argument);
  CHECK(s.db.stats().entries == 0);
}

TEST_CASE("creating and dropping namespaces leaves nothing behind",
          "[namespaces]") {
  segment s{{.segment_bytes = mebibyte}};
  auto used = std::uint64_t{0};
  for (std::size_t i = 0; i < scaled(10'000); ++i) {
    auto name = "cycle" + std::to_string(i);
    auto id = s.db.open_namespace(name);
    REQUIRE(id);
    REQUIRE_FALSE(s.db.contains(*id, "k"));
    REQUIRE(s.db.set(*id, "k", name) == errc::ok);
    REQUIRE(value_of(s.db, "k", *id) == name);
    REQUIRE(s.db.drop_namespace(name));
    if (i == 100)
      used = s.db.stats().pool_used_bytes;
  }
  CHECK(s.db.stats().pool_used_bytes <= used);
  CHECK(s.db.stats().entries == 0);
  CHECK(s.db.namespaces().size() == 1);
}
