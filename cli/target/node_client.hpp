// A connection to a node, for the few commands that need all of it. Includes
// CAF, so keep it out of headers.
#pragma once

#include "actors/client.hpp"

#include <chrono>
#include <string>

namespace neuroplex::cli {

/// Connects to the node at "HOST:PORT"; both its patience to connect and to
/// answer are `timeout`.
[[nodiscard]] expected<actors::client>
connect_to_node(const std::string& address, std::chrono::milliseconds timeout);

} // namespace neuroplex::cli
