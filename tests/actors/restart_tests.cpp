// What a node says and keeps when it comes back to its segment.

#include "actors/client.hpp"
#include "actors/node.hpp"
#include "memory/temporary_directory.test.hpp"
#include "tests/actors/aged_segment.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using Catch::Contains;

namespace {

config::node_options
options_in(const memory::testing::temporary_directory& at) {
  config::node_options options;
  options.data_dir = at.path().string();
  options.worker_threads = 2;
  options.segment.segment_bytes = std::uint64_t{4} << 20;
  options.segment.huge_pages = false;
  options.placement.shards = 4;
  return options;
}

} // namespace

TEST_CASE("a node whose machine lost its power checks its segment and says "
          "what it kept") {
  memory::testing::temporary_directory room;
  auto options = options_in(room);
  auto ns = memory::namespace_id::default_namespace;
  constexpr int entries = 100;
  {
    auto first = actors::node::start(options);
    REQUIRE(first);
    CHECK((*first)->found().made);
    for (int i = 0; i < entries; ++i)
      REQUIRE((*first)->store().set(ns, "key-" + std::to_string(i), "value")
              == errc::ok);
    memory::value_view view;
    REQUIRE((*first)->store().view(ns, "key-7", view) == errc::ok);
    const_cast<char&>(view.bytes()[0]) ^= 1;
  }
  REQUIRE(tests::age_segment(options.segment_path()));
  auto again = actors::node::start(options);
  REQUIRE(again);
  const auto& found = (*again)->found();
  CHECK_FALSE(found.made);
  CHECK(found.power_lost);
  CHECK(found.checked);
  CHECK(found.entries == entries - 1);
  CHECK(found.dropped == 1);
  auto report = (*again)->report();
  REQUIRE(report);
  CHECK_THAT(report->start.text,
             Contains("kept 99 entries") && Contains("machine was stopped"));
  CHECK(report->segment.entries == entries - 1);
  std::string value;
  CHECK((*again)->store().get(ns, "key-8", value) == errc::ok);
  CHECK(value == "value");
  (*again).reset();

  auto third = actors::node::start(options);
  REQUIRE(third);
  CHECK((*third)->found().clean);
  CHECK_FALSE((*third)->found().checked);
  CHECK((*third)->found().entries == entries - 1);
}
