// What the tests of inline namespaces share.
#pragma once

#include "memory/fixture.test.hpp"
#include "memory/inline_namespace.hpp"

namespace neuroplex::memory::testing {

inline constexpr std::size_t inline_key_bytes = 16;
inline constexpr std::size_t inline_value_bytes = 100;

inline inline_options inline_sizes(std::uint64_t capacity,
                                   bool expiry = false) {
  return {.key_bytes = inline_key_bytes,
          .value_bytes = inline_value_bytes,
          .capacity = capacity,
          .expiry = expiry};
}

/// A key of exactly `size` bytes.
inline std::string inline_key(std::uint64_t number,
                              std::size_t size = inline_key_bytes) {
  auto key = "k" + std::to_string(number);
  key.resize(size, '.');
  return key;
}

inline inline_namespace open_inline(store& db, const inline_options& options,
                                    std::string_view name = "inline") {
  auto id = db.open_inline_namespace(name, options);
  if (!id)
    FAIL(id.error().to_string());
  auto space = db.inline_handle(*id);
  REQUIRE(space);
  return *space;
}

} // namespace neuroplex::memory::testing
