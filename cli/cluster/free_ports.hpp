// Loopback ports that nobody listens on.
//
// Purpose: nodes of a local cluster must know one another's ports before they
// start. Ports are drawn below the range from which the kernel takes ports for
// outgoing connections, so that a node that is down for a while finds its port
// free when it comes back.
//
// Threads: any.
//
// Failure behaviour: `too_many` when no port is found in a bounded search. A
// port may be taken between the answer and its use: the node's start then
// fails and tells so.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <vector>

namespace neuroplex::cli {

/// `count` different ports of 127.0.0.1 that are free now.
[[nodiscard]] expected<std::vector<std::uint16_t>>
find_free_ports(std::size_t count);

} // namespace neuroplex::cli
