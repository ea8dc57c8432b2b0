// What a thread knows of itself while it uses a segment.
//
// Threads: a context belongs to one thread; none of it is shared.
#pragma once

#include "memory/layout.hpp"

#include <array>
#include <cstdint>

namespace neuroplex::memory {

template <class Sync>
class basic_adviser;

/// What a thread keeps in its own process beside its slot in the segment.
template <class Sync>
struct basic_thread_context {
  layout::thread_slot<Sync>* slot = nullptr;
  unsigned owner = 0; ///< slot number + 1, as words and pages name it
  std::uint64_t retired_bytes = 0;  ///< on the retired list, about
  std::uint64_t quota_bytes = 0;    ///< of the namespace, 0 for none
  std::uint32_t namespace_word = 0; ///< state when the operation began
  bool refilled =
    false; ///< took memory since the last look at how much is left
  std::uint32_t random = 0x9E3779B9U;
  std::uint32_t asked_for = 0;     ///< what others last asked for and got
  std::uint32_t sharing_depth = 0; ///< see content_counts.hpp
  basic_adviser<Sync>* adviser = nullptr; ///< of the process, if it has one
  std::array<std::uint32_t, layout::max_classes> span{}; ///< page + 1, or 0
};

} // namespace neuroplex::memory
