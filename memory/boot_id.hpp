// Which run of the machine this is. Pages of a file that was mapped in an
// earlier run may have reached the disk in any order, or not at all.
#pragma once

#include <cstdint>

namespace neuroplex::memory {

/// A number that differs from one start of the machine to the next; 0 where the
/// kernel does not tell.
std::uint64_t boot_id();

} // namespace neuroplex::memory
