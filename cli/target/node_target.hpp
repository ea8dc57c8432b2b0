// A node, asked by messages, for keys wherever in its cluster they live.
#pragma once

#include "cli/target/target.hpp"

#include <chrono>

namespace neuroplex::cli {

/// Connects to the node at "HOST:PORT". `unavailable` when nobody answers
/// there in time.
[[nodiscard]] expected<std::unique_ptr<target>>
open_node_target(const std::string& address, std::chrono::milliseconds timeout);

} // namespace neuroplex::cli
