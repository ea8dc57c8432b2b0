// A segment of its own for a test, gone with it.
#pragma once

#include "memory/store.hpp"
#include "memory/temporary_directory.test.hpp"

namespace neuroplex::resp::testing {

inline memory::store make_store(std::uint64_t segment_bytes = 8U << 20) {
  // The mapping stays; the name is not needed any more.
  memory::testing::temporary_directory room;
  memory::segment_options options;
  options.segment_bytes = segment_bytes;
  options.huge_pages = false;
  auto made = memory::store::create(room.path() / "segment", options);
  NEUROPLEX_ENSURE(made);
  return std::move(*made);
}

} // namespace neuroplex::resp::testing
