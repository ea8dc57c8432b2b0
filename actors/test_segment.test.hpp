// A segment of its own for one test, removed with it.
#pragma once

#include "memory/store.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <optional>

namespace neuroplex::actors {

class test_segment {
public:
  test_segment() {
    memory::segment_options options;
    options.segment_bytes = std::uint64_t{32} << 20;
    options.huge_pages = false;
    auto made = memory::store::create(room_.path() / "segment", options);
    if (!made)
      FAIL(made.error().to_string());
    store_.emplace(std::move(*made));
  }

  test_segment(const test_segment&) = delete;
  test_segment& operator=(const test_segment&) = delete;

  memory::store& store() {
    return *store_;
  }

private:
  memory::testing::temporary_directory room_;
  std::optional<memory::store> store_;
};

} // namespace neuroplex::actors
