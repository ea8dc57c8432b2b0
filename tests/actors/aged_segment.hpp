// A segment as one that an earlier run of the machine has used.
#pragma once

#include <string>

namespace neuroplex::tests {

/// Gives the segment at `path`, which nobody uses, another boot's mark. False
/// when it cannot be read or written.
bool age_segment(const std::string& path);

} // namespace neuroplex::tests
