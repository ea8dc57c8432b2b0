// Reading a counter that is kept by additions.
//
// Purpose: who takes away may come before who added, and who died between a
// change and its count leaves the count off by one, so that a counter may be
// found a little below zero. Read as it is, that is nearly all there is.
//
// Threads: any.
#pragma once

#include "memory/sync.hpp"

#include <cstdint>

namespace neuroplex::memory {

/// The count, or 0 where it is below.
template <class Atomic>
[[nodiscard]] NEUROPLEX_INLINE std::uint64_t
not_negative(const Atomic& count) noexcept {
  auto value = static_cast<std::int64_t>(count.load(std::memory_order_relaxed));
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

} // namespace neuroplex::memory
