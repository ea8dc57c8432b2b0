// A segment of this machine, attached directly.
#pragma once

#include "cli/target/target.hpp"

namespace neuroplex::cli {

/// `path`, or "<path>/segment" when it is a directory.
[[nodiscard]] std::string segment_file(const std::string& path);

/// Attaches to the segment `path`, or to the one in that data directory.
[[nodiscard]] expected<memory::store> open_segment(const std::string& path,
                                                   memory::access_mode mode);

/// The same as a target. Reading commands attach read-only.
[[nodiscard]] expected<std::unique_ptr<target>>
open_segment_target(const std::string& path, memory::access_mode mode);

} // namespace neuroplex::cli
